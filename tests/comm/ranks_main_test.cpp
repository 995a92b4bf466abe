// SPDX-License-Identifier: Apache-2.0
// The main of the ranks tests is itself under test: a harness that cannot fail would make every ranks test
// worthless.
#include <gtest/gtest.h>

#include <string>

#include "support/process.h"

namespace lockstep {
namespace {

testing::ProcessResult run_case(const std::string& name, const std::string& claimed_world = "2") {
  testing::ProcessOptions options;
  options.environment = testing::mpi_environment();
  options.environment["LOCKSTEP_TEST_WORLD"] = claimed_world;
  options.environment["LOCKSTEP_TEST_HANG_S"] = "2";
  return testing::run(
      testing::under_mpirun(2, {LOCKSTEP_RANKS_MAIN_CASES, "--gtest_filter=OnPurpose." + name}), options);
}

bool says(const testing::ProcessResult& result, const std::string& text) {
  return (result.out + result.err).find(text) != std::string::npos;
}

TEST(RanksMain, PassesWhenAllRanksPass) {
  const auto result = run_case("Passes");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out.find("OnPurpose.Passes"), result.out.find("OnPurpose")) << "only rank 0 prints";
}

TEST(RanksMain, FailureOfOneRankFailsTheRunAndNamesTheRank) {
  const auto result = run_case("FailsOnTheLastRank");
  EXPECT_EQ(result.code, 70);
  EXPECT_TRUE(says(result, "[rank 1] FAILED: OnPurpose.FailsOnTheLastRank")) << result.err;
  EXPECT_TRUE(says(result, "as told"));
}

TEST(RanksMain, CaseThatHangsIsNamedAndEnded) {
  const auto result = run_case("HangsBecauseTheLastRankStaysAway");
  EXPECT_EQ(result.code, 76);
  EXPECT_TRUE(says(result, "[rank 0] HANGS: OnPurpose.HangsBecauseTheLastRankStaysAway")) << result.err;
}

TEST(RanksMain, WrongWorldSizeFails) {
  const auto result = run_case("Passes", "3");
  EXPECT_NE(result.code, 0);
  EXPECT_TRUE(says(result, "LOCKSTEP_TEST_WORLD=3")) << result.err;
}

TEST(Job, AbortOfOneRankEndsAllAndItsCodeIsTheJobs) {
  EXPECT_EQ(run_case("LastRankEndsTheJob").code, 74);
}

}  // namespace
}  // namespace lockstep
