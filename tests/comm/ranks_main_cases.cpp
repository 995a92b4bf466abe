// SPDX-License-Identifier: Apache-2.0
// Cases that go wrong on purpose, for ranks_main_test.cpp: what the main of the ranks tests makes of them.
#include <gtest/gtest.h>

#include "comm/launch/job.h"
#include "support/ranks_main.h"

namespace lockstep {
namespace {

bool is_last() {
  return test_world().rank().value == test_world().size().value - 1;
}

TEST(OnPurpose, Passes) {
  test_world().host().barrier();
}

TEST(OnPurpose, FailsOnTheLastRank) {
  if (is_last()) FAIL() << "as told";
  test_world().host().barrier();
}

TEST(OnPurpose, HangsBecauseTheLastRankStaysAway) {
  if (!is_last()) test_world().host().barrier();
}

TEST(OnPurpose, LastRankEndsTheJob) {
  if (is_last()) abort_job(ExitCode::kStorage);
  test_world().host().barrier();
}

}  // namespace
}  // namespace lockstep
