// SPDX-License-Identifier: Apache-2.0
#include "train/plan.h"

#include <gtest/gtest.h>

#include <mutex>
#include <vector>

#include "comm/loopback/loopback_world.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

TrainOptions options(std::int64_t steps, std::int64_t epochs) {
  TrainOptions options;
  options.steps = steps;
  options.epochs = epochs;
  options.global_batch = 24;
  options.micro_batch = 4;
  return options;
}

SampleOrder order_of(std::int64_t samples) {
  return {.seed = 1, .size = samples, .global_batch = 24};
}

TEST(Plan, StepsAreTakenAsTheyAre) {
  const World world = world_of_one();
  const TrainingPlan plan = make_plan(options(400, 0), order_of(100), world);
  EXPECT_EQ(plan.last_step, Step(400));
  EXPECT_EQ(plan.steps_per_epoch, 4);
  EXPECT_EQ(plan.micro_batches, 6);
  EXPECT_EQ(plan.mine, (MicroBatchRun{0, 6}));
}

TEST(Plan, EpochsAreWholeStepsOfTheData) {
  const World world = world_of_one();
  const TrainingPlan plan = make_plan(options(0, 3), order_of(100), world);
  EXPECT_EQ(plan.last_step, Step(12));
}

TEST(Plan, RanksShareTheMicroBatchesAndNobodyHasMoreThanHisShare) {
  for (const int ranks : {2, 4, 6}) {
    std::vector<int> computed(6);
    std::mutex mutex;
    run_loopback(WorldSize(ranks), [&](World& world) {
      const MicroBatchRun mine = make_plan(options(1, 0), order_of(100), world).mine;
      const std::lock_guard lock(mutex);
      EXPECT_LE(mine.count, (6 + ranks - 1) / ranks);
      for (int leaf = mine.first; leaf < mine.end(); ++leaf) ++computed.at(static_cast<std::size_t>(leaf));
    });
    EXPECT_EQ(computed, std::vector<int>(6, 1)) << ranks << " ranks";
  }
}

TEST(Plan, MoreRanksThanMicroBatchesIsAConfigFault) {
  try {
    run_loopback(WorldSize(7), [](World& world) { make_plan(options(1, 0), order_of(100), world); });
    FAIL() << "planned";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    EXPECT_NE(std::string(fault.what()).find("7 ranks, but a step has only 6 micro-batches"),
              std::string::npos);
  }
}

TEST(Plan, TooFewSamplesForAStepIsAConfigFault) {
  const World world = world_of_one();
  try {
    make_plan(options(1, 0), order_of(23), world);
    FAIL() << "planned";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
  }
}

}  // namespace
}  // namespace lockstep
