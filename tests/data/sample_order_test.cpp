// SPDX-License-Identifier: Apache-2.0
#include "data/sample_order.h"

#include <gtest/gtest.h>

#include <set>

#include "data/data_files.h"

namespace lockstep {
namespace {

std::vector<std::int64_t> epoch_order(const SampleOrder& order, std::int64_t epoch) {
  std::vector<std::int64_t> indices;
  const std::int64_t steps = order.steps_per_epoch();
  for (std::int64_t step = epoch * steps + 1; step <= (epoch + 1) * steps; ++step)
    for (std::int64_t position = 0; position < order.global_batch; ++position)
      indices.push_back(order.index_of(Step(step), position));
  return indices;
}

TEST(SampleOrder, AnEpochVisitsEachSampleAtMostOnceAndLeavesOutTheRemainder) {
  const SampleOrder order{7, 103, 10, true};
  EXPECT_EQ(order.steps_per_epoch(), 10);
  EXPECT_EQ(order.left_out(), 3);
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    const std::vector<std::int64_t> indices = epoch_order(order, epoch);
    const std::set<std::int64_t> distinct(indices.begin(), indices.end());
    EXPECT_EQ(distinct.size(), 100u);
    EXPECT_GE(*distinct.begin(), 0);
    EXPECT_LT(*distinct.rbegin(), 103);
  }
}

TEST(SampleOrder, EachEpochAndSeedHasItsOwnOrder) {
  const SampleOrder order{7, 100, 10, true};
  EXPECT_NE(epoch_order(order, 0), epoch_order(order, 1));
  EXPECT_EQ(epoch_order(order, 1), epoch_order(SampleOrder{7, 100, 10, true}, 1));
  EXPECT_NE(epoch_order(order, 0), epoch_order(SampleOrder{8, 100, 10, true}, 0));
}

TEST(SampleOrder, OrderOfAnEpochDoesNotDependOnTheBatchSize) {
  EXPECT_EQ(epoch_order(SampleOrder{7, 96, 8, true}, 2), epoch_order(SampleOrder{7, 96, 12, true}, 2));
}

TEST(SampleOrder, WithoutShuffleItIsFileOrderEveryEpoch) {
  const SampleOrder order{7, 11, 5, false};
  EXPECT_EQ(epoch_order(order, 4), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(order.left_out(), 1);
}

TEST(SampleOrder, EpochsStartAtTheirFirstStep) {
  const SampleOrder order{7, 103, 10, true};
  EXPECT_EQ(order.epoch_of(Step(1)), Epoch(0));
  EXPECT_EQ(order.epoch_of(Step(10)), Epoch(0));
  EXPECT_EQ(order.epoch_of(Step(11)), Epoch(1));
  EXPECT_EQ(order.epoch_of(Step(1'000'000'000'001)), Epoch(100'000'000'000));
  EXPECT_GE(order.index_of(Step(1'000'000'000'001), 9), 0);
}

TEST(SampleOrder, RefusesAnEpochWithoutAStep) {
  testing::expect_fault(ExitCode::kConfig, "9 samples, fewer than train.global_batch = 10", [] {
    SampleOrder{7, 9, 10, true}.steps_per_epoch();
  });
}

TEST(SampleOrder, PositionsAndStepsOutsideAreBugs) {
  const SampleOrder order{7, 100, 10, true};
  EXPECT_THROW(order.index_of(Step(1), 10), Bug);
  EXPECT_THROW(order.index_of(Step(1), -1), Bug);
  EXPECT_THROW(order.index_of(Step(0), 0), Bug);
}

// A change here would train resumed runs on other samples.
TEST(SampleOrder, ValuesAreTheStoredOnes) {
  const SampleOrder order{7, 1000, 4, true};
  std::vector<std::int64_t> indices;
  for (std::int64_t position = 0; position < 4; ++position)
    indices.push_back(order.index_of(Step(251), position));
  EXPECT_EQ(indices, (std::vector<std::int64_t>{159, 628, 783, 851}));
}

}  // namespace
}  // namespace lockstep
