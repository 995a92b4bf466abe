// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/error.h"

#include <gtest/gtest.h>

#include "lockstep/base/clock.h"

namespace lockstep {
namespace {

TEST(Error, FaultSaysItsFactThenItsRemedy) {
  const Fault fault(ExitCode::kStorage, "disk: full", "Free some space");
  EXPECT_STREQ(fault.what(), "disk: full. Free some space");
  EXPECT_EQ(fault.fact(), "disk: full");
  EXPECT_EQ(fault.remedy(), "Free some space");
  EXPECT_EQ(fault.code(), ExitCode::kStorage);
  EXPECT_STREQ(Fault(ExitCode::kConfig, "only a fact").what(), "only a fact");
  EXPECT_STREQ(Fault(ExitCode::kConfig, "HDF5 said so.\n", "Do it").what(), "HDF5 said so. Do it");
  EXPECT_STREQ(Fault(ExitCode::kConfig, "what?", "Do it").what(), "what? Do it");
}

TEST(Error, BrokenContractNamesClaimFileAndFunction) {
  EXPECT_NO_THROW(check(true, "two is even"));
  try {
    check(false, "three is even");
    FAIL() << "passed";
  } catch (const Bug& bug) {
    const std::string what = bug.what();
    EXPECT_NE(what.find("this must hold: three is even"), std::string::npos) << what;
    EXPECT_NE(what.find("error_test.cpp:"), std::string::npos) << what;
  }
}

TEST(Error, CodesAreTheDocumentedNumbers) {
  EXPECT_EQ(static_cast<int>(ExitCode::kUsage), 64);
  EXPECT_EQ(static_cast<int>(ExitCode::kNoValidCheckpoint), 65);
  EXPECT_EQ(static_cast<int>(ExitCode::kInputMissing), 66);
  EXPECT_EQ(static_cast<int>(ExitCode::kCannotStart), 69);
  EXPECT_EQ(static_cast<int>(ExitCode::kBug), 70);
  EXPECT_EQ(static_cast<int>(ExitCode::kRunDirectory), 73);
  EXPECT_EQ(static_cast<int>(ExitCode::kStorage), 74);
  EXPECT_EQ(static_cast<int>(ExitCode::kRequeue), 75);
  EXPECT_EQ(static_cast<int>(ExitCode::kPeerLost), 76);
  EXPECT_EQ(static_cast<int>(ExitCode::kLocked), 77);
  EXPECT_EQ(static_cast<int>(ExitCode::kConfig), 78);
  EXPECT_EQ(static_cast<int>(ExitCode::kNeverRestart), 93);
}

TEST(Clock, IsoTimeIsUtcWithMilliseconds) {
  using namespace std::chrono_literals;
  const auto epoch = std::chrono::system_clock::time_point{};
  EXPECT_EQ(iso_time(epoch), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(iso_time(epoch + 1700000000s + 7ms), "2023-11-14T22:13:20.007Z");
  EXPECT_EQ(iso_time(epoch + 951782399999ms), "2000-02-28T23:59:59.999Z");
}

TEST(Clock, MonotonicTimeNeverGoesBack) {
  auto before = real_clock().monotonic();
  for (int i = 0; i < 1000; ++i) {
    const auto now = real_clock().monotonic();
    ASSERT_GE(now, before);
    before = now;
  }
}

}  // namespace
}  // namespace lockstep
