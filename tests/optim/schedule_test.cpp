// SPDX-License-Identifier: Apache-2.0
#include "optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

double at(const ScheduleOptions& options, std::int64_t step, std::int64_t last = 100) {
  return learning_rate(options, 1.0, Step{step}, Step{last});
}

TEST(Schedule, ConstantStaysAtTheBaseRate) {
  EXPECT_EQ(at({}, 1), 1.0);
  EXPECT_EQ(at({}, 100), 1.0);
}

TEST(Schedule, WarmUpRisesInALineFromTheFirstStep) {
  for (const char* type : {"constant", "linear", "cosine"}) {
    const ScheduleOptions options{.type = type, .warmup_steps = 4};
    EXPECT_EQ(at(options, 1), 0.25) << type;
    EXPECT_EQ(at(options, 2), 0.5) << type;
    EXPECT_EQ(at(options, 4), 1.0) << type;
  }
}

TEST(Schedule, LinearEndsAtTheFinalRateOnTheLastStep) {
  const ScheduleOptions options{.type = "linear", .warmup_steps = 20, .final_lr = 0.2};
  EXPECT_DOUBLE_EQ(at(options, 60), 0.6);
  EXPECT_DOUBLE_EQ(at(options, 21), 1.0 - 0.8 / 80);
  EXPECT_EQ(at(options, 100), 0.2);
}

TEST(Schedule, CosineIsHalfwayInTheMiddleAndEndsAtTheFinalRate) {
  const ScheduleOptions options{.type = "cosine", .warmup_steps = 20, .final_lr = 0.2};
  EXPECT_DOUBLE_EQ(at(options, 60), 0.6);
  EXPECT_DOUBLE_EQ(at(options, 40), 0.2 + 0.8 * 0.5 * (1 + std::sqrt(0.5)));
  EXPECT_EQ(at(options, 100), 0.2);
}

TEST(Schedule, StepMultipliesAfterEachStepSizeCountedFromTheWarmUp) {
  const ScheduleOptions options{.type = "step", .warmup_steps = 2, .step_size = 3, .gamma = 0.5};
  EXPECT_EQ(at(options, 1), 0.5);
  EXPECT_EQ(at(options, 2), 1.0);
  EXPECT_EQ(at(options, 5), 1.0);
  EXPECT_EQ(at(options, 6), 0.5);
  EXPECT_EQ(at(options, 8), 0.5);
  EXPECT_EQ(at(options, 9), 0.25);
}

TEST(Schedule, StaysFiniteWhereWarmUpIsTheWholeRunOrTheRunIsOver) {
  const ScheduleOptions options{.type = "cosine", .warmup_steps = 10, .final_lr = 0.1};
  EXPECT_EQ(at(options, 10, 10), 1.0);
  EXPECT_EQ(at(options, 3, 5), 0.3);
  EXPECT_EQ(at(options, 12, 11), 0.1);
}

TEST(Schedule, RefusesOptionsOutOfRangeOrWithoutEffect) {
  const auto refused = [](const ScheduleOptions& options) {
    try {
      at(options, 1);
    } catch (const Fault& fault) {
      return fault.code() == ExitCode::kConfig;
    }
    return false;
  };
  EXPECT_TRUE(refused({.type = "cosin"}));
  EXPECT_TRUE(refused({.warmup_steps = -1}));
  EXPECT_TRUE(refused({.type = "linear", .final_lr = -1}));
  EXPECT_TRUE(refused({.type = "constant", .final_lr = 0.1}));
  EXPECT_TRUE(refused({.type = "step", .step_size = 0}));
  EXPECT_TRUE(refused({.type = "step", .step_size = 5, .gamma = 0}));
  EXPECT_TRUE(refused({.type = "cosine", .step_size = 5}));
}

}  // namespace
}  // namespace lockstep
