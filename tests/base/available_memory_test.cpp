// SPDX-License-Identifier: Apache-2.0
#include "base/available_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "support/temp_dir.h"

namespace lockstep {
namespace {

using testing::write_file;

constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();

class Groups : public ::testing::Test {
 protected:
  // A group's files, of version 1 where `folder` begins with /memory.
  void group(const std::string& folder, const std::string& limit, int used, int cached) {
    const bool old = folder.starts_with("/memory");
    const std::string path = mount_.path() + folder;
    std::filesystem::create_directories(path);
    write_file(path + (old ? "/memory.limit_in_bytes" : "/memory.max"), limit + "\n");
    write_file(path + (old ? "/memory.usage_in_bytes" : "/memory.current"), std::to_string(used) + "\n");
    write_file(path + "/memory.stat", "anon 77\nactive_file 5\n" +
                                          std::string(old ? "total_inactive_file " : "inactive_file ") +
                                          std::to_string(cached) + "\n");
  }
  std::uint64_t left(const std::string& list) {
    write_file(mount_ / "list", list);
    return memory_left_by_groups(mount_ / "list", mount_.path());
  }

  testing::TempDir mount_;
};

TEST_F(Groups, LeaveWhatTheirLimitLeavesAndFilesAloneFill) {
  group("/job", "1000", 900, 300);
  EXPECT_EQ(left("0::/job\n"), 400u);
}

TEST_F(Groups, LeaveTheLeastOfAllAboveThem) {
  group("/job", "1000", 900, 0);
  group("/job/step", "5000", 900, 0);
  group("/job/step/rank", "max", 900, 0);
  EXPECT_EQ(left("0::/job/step/rank\n"), 100u);
}

TEST_F(Groups, OfTheFirstVersionCountAsWell) {
  group("/memory/job", "1000", 600, 100);
  EXPECT_EQ(left("7:cpuset:/\n4:cpu,memory:/job\n0::/\n"), 500u);
}

TEST_F(Groups, OfAHostsPathAreThoseOfTheContainer) {
  group("", "1000", 600, 0);
  EXPECT_EQ(left("0::/kubepods/pod7/abc\n"), 400u);
}

TEST_F(Groups, WithoutALimitLeaveEverything) {
  group("/job", "max", 900, 0);
  EXPECT_EQ(left("0::/job\n"), kNone);
  EXPECT_EQ(left(""), kNone);
  EXPECT_EQ(left("no line of that kind\n::\n"), kNone);
}

TEST_F(Groups, BeyondTheirLimitLeaveNothing) {
  group("/job", "1000", 1200, 100);
  EXPECT_EQ(left("0::/job\n"), 0u);
}

}  // namespace
}  // namespace lockstep
