// SPDX-License-Identifier: Apache-2.0
#include "shelf/storage_probe.h"

#include "shelf/fixture.h"
#include "support/faulty_disk.h"

namespace lockstep {
namespace {

// The real binary, on disks that lack something: tests/fault/doctor_test.cpp.
class StorageProbe : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directory(folder_); }
  static std::int64_t count(const std::vector<StorageFinding>& findings, StorageGrade grade) {
    return std::count_if(findings.begin(), findings.end(), [&](const auto& f) { return f.grade == grade; });
  }

  ScratchFolder scratch_;
  std::string folder_ = scratch_ / "run";
};

TEST_F(StorageProbe, FindsNothingBadInAnOrdinaryFolder) {
  const auto findings = probe_storage(real_disk(), folder_);
  EXPECT_EQ(findings.size(), 12u);
  for (const StorageFinding& finding : findings)
    EXPECT_NE(finding.grade, StorageGrade::kBad) << finding.what << finding.found;
}

// What removes is tried again; everything else is a finding.
TEST_F(StorageProbe, CleansUpWhicheverOperationFails) {
  std::int64_t injected = 0;
  std::int64_t bad = 0;
  for (std::int64_t k = 1; k < 500; ++k) {
    FaultyDisk disk(real_disk());
    disk.arm({.fail_at = k});
    const auto findings = probe_storage(disk, folder_);
    bad += count(findings, StorageGrade::kBad);
    injected += disk.injections();
    EXPECT_TRUE(fs::is_empty(folder_)) << k;
    if (disk.injections() == 0) break;
  }
  EXPECT_GT(injected, 40);
  EXPECT_GT(bad, 30);
}

TEST_F(StorageProbe, CallsADeadDiskBadAndAnswersAllTheSame) {
  for (std::int64_t k = 1; k < 40; ++k) {
    FaultyDisk disk(real_disk());
    disk.arm({.fail_at = k, .for_ever = true});
    EXPECT_GT(count(probe_storage(disk, folder_), StorageGrade::kBad), 0) << k;
    fs::remove_all(folder_);
    fs::create_directory(folder_);
  }
}

TEST_F(StorageProbe, SeesALyingDiskAndOneWithoutODirect) {
  FaultyDisk liar(real_disk());
  liar.arm({.fail_at = 1, .lies = true, .only = "write"});
  const auto lied = probe_storage(liar, folder_);
  EXPECT_EQ(liar.injections(), 1);
  EXPECT_EQ(lied.back().what, "writing");
  EXPECT_EQ(lied.back().grade, StorageGrade::kBad);
  FaultyDisk pages(real_disk());
  pages.arm({.no_direct = true});
  EXPECT_EQ(probe_storage(pages, folder_).at(2).grade, StorageGrade::kWarn);
}

}  // namespace
}  // namespace lockstep
