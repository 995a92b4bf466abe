// SPDX-License-Identifier: Apache-2.0
#include "loop/step_times.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace lockstep {
namespace {

void spend(Watch& watch, Phase phase, int milliseconds) {
  const PhaseScope scope(watch, phase);
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

TEST(StepTimes, AreTheMeanOfTheStepsSinceTheLineBeforeAndNotTheStart) {
  const auto watch = std::make_shared<Watch>();
  watch->enter(Phase::kStartUp);
  StepTimes times(watch);
  spend(*watch, Phase::kCompute, 400);  // a rehearsal
  times.begin(Step(10));
  watch->enter(Phase::kBetween);
  for (int step = 11; step <= 14; ++step) {
    spend(*watch, Phase::kCompute, 8);
    spend(*watch, Phase::kSave, 4);
  }
  const auto seconds = times.until(Step(14));
  EXPECT_GE(seconds.at("compute"), 0.008);
  EXPECT_LT(seconds.at("compute"), 0.1);
  EXPECT_GE(seconds.at("other"), 0.004);
  EXPECT_EQ(seconds.at("data"), 0);
  EXPECT_EQ(seconds.size(), 5u);
  EXPECT_TRUE(times.until(Step(14)).empty()) << "there was no step";
}

}  // namespace
}  // namespace lockstep
