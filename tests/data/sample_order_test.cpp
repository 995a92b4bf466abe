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

// All samples of steps first..last, by epoch.
std::map<std::int64_t, std::vector<std::int64_t>> samples_by_epoch(const SampleOrder& order,
                                                                   std::int64_t first, std::int64_t last) {
  std::map<std::int64_t, std::vector<std::int64_t>> out;
  for (std::int64_t step = first; step <= last; ++step)
    for (std::int64_t i = 0; i < order.global_batch; ++i)
      out[order.epoch_of(Step(step)).value].push_back(order.index_of(Step(step), i));
  return out;
}

// Wherever a run is interrupted, and at an epoch's end too.
TEST(SampleOrder, GoesOnFromAPlaceAsIfItHadNotStopped) {
  const SampleOrder whole{7, 103, 10, true};
  for (std::int64_t done = 1; done <= 30; ++done) {
    SampleOrder rest = whole;
    const Epoch epoch = whole.epoch_of(Step(done));
    const std::int64_t offset = whole.offset_after(Step(done));
    rest.start = {Step(done), epoch, offset == whole.samples_of(epoch) ? 103 : offset};
    EXPECT_EQ(rest.epoch_of(Step(done)), epoch);
    EXPECT_EQ(samples_by_epoch(rest, done + 1, 40), samples_by_epoch(whole, done + 1, 40)) << done;
    EXPECT_EQ(rest.end_of(4), Step(40)) << done;
    for (std::int64_t step = done + 1; step <= 40; ++step)
      EXPECT_EQ(rest.offset_after(Step(step)), whole.offset_after(Step(step)));
  }
}

// 3 steps of 10, then 4 a step: each sample of the epoch once, and the epochs after it are whole.
TEST(SampleOrder, AnotherBatchGoesOnAtTheSameSampleOfTheSameEpoch) {
  for (const bool shuffle : {true, false}) {
    const SampleOrder before{7, 50, 10, shuffle};
    SampleOrder after{7, 50, 4, shuffle, {Step(3), Epoch(0), 30}};
    auto seen = samples_by_epoch(before, 1, 3)[0];
    const auto then = samples_by_epoch(after, 4, 4 + 4 + 12);
    seen.insert(seen.end(), then.at(0).begin(), then.at(0).end());
    EXPECT_EQ(seen, epoch_order(before, 0)) << "5 steps of 4 are the 20 that were left";
    EXPECT_EQ(then.at(1), samples_by_epoch(SampleOrder{7, 50, 4, shuffle}, 13, 24).at(1));
    EXPECT_EQ(after.samples_of(Epoch(0)), 50);
    EXPECT_EQ(after.samples_of(Epoch(1)), 48);
    EXPECT_EQ(after.end_of(1), Step(8));
    EXPECT_EQ(after.end_of(3), Step(8 + 24));
  }
}

TEST(SampleOrder, AnEpochWithoutRoomForALargerBatchIsOver) {
  const SampleOrder order{7, 50, 40, true, {Step(3), Epoch(0), 30}};
  EXPECT_EQ(order.epoch_of(Step(3)), Epoch(0));
  EXPECT_EQ(order.epoch_of(Step(4)), Epoch(1));
  EXPECT_EQ(order.offset_after(Step(4)), 40);
  EXPECT_EQ(order.end_of(1), Step(3)) << "nothing left to do";
  EXPECT_EQ(order.end_of(2), Step(4));
}

TEST(SampleOrder, DataThatEndBeforeThePlaceGoOnWithTheNextEpoch) {
  const SampleOrder order{7, 20, 4, true, {Step(3), Epoch(2), 30}};
  EXPECT_EQ(order.epoch_of(Step(4)), Epoch(3));
  EXPECT_LT(order.index_of(Step(4), 3), 20);
}

// Epochs that are done already are not undone.
TEST(SampleOrder, FewerEpochsThanAreDoneEndWhereItStarts) {
  const SampleOrder order{7, 50, 10, true, {Step(12), Epoch(2), 20}};
  EXPECT_EQ(order.end_of(1), Step(12));
  EXPECT_EQ(order.end_of(2), Step(12));
  EXPECT_EQ(order.end_of(3), Step(15)) << "the epoch that is begun is finished";
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
