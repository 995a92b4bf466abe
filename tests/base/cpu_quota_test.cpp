// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_quota.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "support/temp_dir.h"

namespace lockstep {
namespace {

using testing::write_file;

class CpuQuota : public ::testing::Test {
 protected:
  void say(const std::string& file, const std::string& text) {
    const std::filesystem::path path = mount_.path() + file;
    std::filesystem::create_directories(path.parent_path());
    write_file(path, text);
  }
  double quota(const std::string& list) {
    write_file(mount_ / "list", list);
    return cpu_quota(mount_ / "list", mount_.path());
  }

  testing::TempDir mount_;
};

TEST_F(CpuQuota, IsTheLeastOfAllGroupsAbove) {
  say("/job/cpu.max", "150000 100000\n");
  say("/job/step/cpu.max", "800000 100000\n");
  say("/job/step/rank/cpu.max", "max 100000\n");
  EXPECT_EQ(quota("0::/job/step/rank\n"), 1.5);
}

TEST_F(CpuQuota, OfTheFirstVersionCountsAsWell) {
  say("/cpu/job/cpu.cfs_quota_us", "200000\n");
  say("/cpu/job/cpu.cfs_period_us", "50000\n");
  EXPECT_EQ(quota("7:cpuset:/\n4:cpu,cpuacct:/job\n0::/\n"), 4);
  say("/cpu/job/cpu.cfs_quota_us", "-1\n");
  EXPECT_TRUE(std::isinf(quota("4:cpu,cpuacct:/job\n")));
}

TEST_F(CpuQuota, OfAContainerIsBelowItsMount) {
  say("/cpu.max", "200000 100000\n");
  EXPECT_EQ(quota("0::/kubepods/pod7/abc\n"), 2);
}

TEST_F(CpuQuota, IsInfiniteWhereNothingLimits) {
  EXPECT_TRUE(std::isinf(quota("0::/job\n")));
  EXPECT_TRUE(std::isinf(cpu_quota(mount_ / "none", mount_.path())));
}

}  // namespace
}  // namespace lockstep
