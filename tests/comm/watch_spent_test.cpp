// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "lockstep/comm/watch.h"

namespace lockstep {
namespace {

void pass(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

double seconds_in(const Watch& watch, Phase phase) {
  return static_cast<double>(watch.spent()[static_cast<std::size_t>(phase)]) * 1e-9;
}

TEST(WatchSpent, CountsAPhaseWithoutTheOneInsideItAndWithItsCollectives) {
  Watch watch;
  watch.enter(Phase::kBetween);
  const auto start = std::chrono::steady_clock::now();
  {
    const PhaseScope exchange(watch, Phase::kExchange);
    pass(10);
    watch.collective_begins("reduce", 8);
    pass(20);
    watch.collective_ends();
    const PhaseScope inside(watch, Phase::kOptimizer);
    pass(10);
  }
  watch.enter(Phase::kLeaving);
  const double all = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_GE(seconds_in(watch, Phase::kExchange), 0.030);
  EXPECT_GE(seconds_in(watch, Phase::kOptimizer), 0.010);
  EXPECT_NEAR(seconds_in(watch, Phase::kExchange) + seconds_in(watch, Phase::kOptimizer) +
                  seconds_in(watch, Phase::kBetween),
              all, 5e-3);
}

}  // namespace
}  // namespace lockstep
