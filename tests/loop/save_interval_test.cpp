// SPDX-License-Identifier: Apache-2.0
#include "loop/save_interval.h"

#include <gtest/gtest.h>

#include "support/manual_clock.h"

namespace lockstep {
namespace {

using std::chrono::duration;
using std::chrono::minutes;
using std::chrono::seconds;

CheckpointOptions by_default() {
  CheckpointOptions options;
  options.every_minutes = 10;
  options.time_share = 0.01;
  return options;
}

// Minutes from one save to the next when a save takes that long.
double minutes_between_saves(const CheckpointOptions& options, duration<double> save) {
  ManualClock clock;
  SaveInterval interval(options, clock);
  interval.begin();
  interval.took(save);
  int passed = 0;
  while (!interval.due_now() && passed < 100'000) {
    clock.advance(seconds(1));
    ++passed;
  }
  return passed / 60.0;
}

TEST(SaveInterval, DefaultIsTenMinutesUntilSavingWouldTakeMoreThanAHundredth) {
  EXPECT_EQ(minutes_between_saves(by_default(), duration<double>(0)), 10);
  EXPECT_EQ(minutes_between_saves(by_default(), duration<double>(0.1)), 10);
  EXPECT_EQ(minutes_between_saves(by_default(), duration<double>(6)), 10);
  EXPECT_EQ(minutes_between_saves(by_default(), duration<double>(6.6)), 11);
  EXPECT_EQ(minutes_between_saves(by_default(), duration<double>(30)), 50);
}

TEST(SaveInterval, ShrinksAgainWhenSavesGetFaster) {
  ManualClock clock;
  SaveInterval interval(by_default(), clock);
  interval.took(seconds(30));
  clock.advance(minutes(11));
  EXPECT_FALSE(interval.due_now());
  interval.took(seconds(1));
  EXPECT_TRUE(interval.due_now());
}

TEST(SaveInterval, WhatSomebodyAskedForIsKeptHoweverLongASaveTakes) {
  CheckpointOptions options;
  options.every_minutes = 0.5;
  EXPECT_EQ(minutes_between_saves(options, duration<double>(300)), 0.5);
}

TEST(SaveInterval, CountsFromTheBeginningOfTheLastSave) {
  ManualClock clock;
  SaveInterval interval(by_default(), clock);
  clock.advance(minutes(9));
  interval.begin();
  clock.advance(minutes(9));
  EXPECT_FALSE(interval.due_now());
  clock.advance(minutes(1));
  EXPECT_TRUE(interval.due_now());
}

TEST(SaveInterval, StepsAndMinutesMayStandTogether) {
  CheckpointOptions options;
  options.every_steps = 50;
  options.every_minutes = 2;
  ManualClock clock;
  SaveInterval interval(options, clock);
  EXPECT_TRUE(interval.due_at(Step(100)));
  EXPECT_FALSE(interval.due_at(Step(101)));
  EXPECT_FALSE(interval.due_now());
  clock.advance(minutes(2));
  EXPECT_TRUE(interval.due_now());
  EXPECT_EQ(interval.text(), "every 50 steps and every 2 minutes");
}

TEST(SaveInterval, NothingIsDueWhereOnlyTheLastStepIsSaved) {
  ManualClock clock;
  SaveInterval interval(CheckpointOptions{}, clock);
  clock.advance(minutes(100'000));
  EXPECT_FALSE(interval.due_now());
  EXPECT_FALSE(interval.due_at(Step(10)));
  EXPECT_EQ(interval.text(), "the last step");
}

TEST(SaveInterval, SaysHowOftenAndWhy) {
  ManualClock clock;
  SaveInterval interval(by_default(), clock);
  EXPECT_EQ(interval.text(), "every 10 minutes");
  EXPECT_EQ(interval.why(), "the default, where neither checkpoint.every_steps nor every_minutes is given");
  interval.took(seconds(30));
  EXPECT_EQ(interval.text(), "every 50 minutes");
  EXPECT_EQ(interval.why(), "the last save took 30.0 s, and by default saving takes at most 1 % of the time");
}

}  // namespace
}  // namespace lockstep
