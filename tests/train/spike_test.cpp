// SPDX-License-Identifier: Apache-2.0
#include "train/spike.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lockstep {
namespace {

SpikeScale scale_of(const std::vector<double>& losses, double z = 5) {
  SpikeScale scale({"skip", z, std::ssize(losses)});
  for (const double loss : losses) scale.add(loss);
  return scale;
}

TEST(SpikeScale, SaysNothingBeforeItsWindowIsFull) {
  SpikeScale scale({"skip", 5, 8});
  for (int i = 0; i < 7; ++i) scale.add(1);
  EXPECT_FALSE(scale.is_spike(1000));
  scale.add(1);
  EXPECT_TRUE(scale.is_spike(1000));
}

TEST(SpikeScale, MeasuresInRobustStandardDeviations) {
  // Median 2.5 of the upper middle two: 3; distances 2 2 1 1 0 0 1 2, their upper median 1.
  const SpikeScale scale = scale_of({1, 1, 2, 2, 3, 3, 4, 5});
  EXPECT_DOUBLE_EQ(*scale.z(6), 3 / 1.4826);
  EXPECT_FALSE(scale.is_spike(6));
  EXPECT_TRUE(scale.is_spike(11));
  EXPECT_FALSE(scale.is_spike(-1000)) << "a loss that falls is none";
}

TEST(SpikeScale, ALossThatHardlyMovesHasAScaleToo) {
  const SpikeScale scale = scale_of(std::vector<double>(16, 2.0));
  EXPECT_DOUBLE_EQ(*scale.z(2.02), 1.0);
  EXPECT_FALSE(scale_of(std::vector<double>(16, 0.0)).is_spike(0));
  EXPECT_TRUE(scale_of(std::vector<double>(16, 0.0)).is_spike(1e-9));
}

TEST(SpikeScale, OneSpikeHidesNoOther) {
  std::vector<double> losses;
  for (int i = 0; i < 31; ++i) losses.push_back(1 + 0.1 * std::sin(i));
  losses.push_back(1e6);
  EXPECT_TRUE(scale_of(losses).is_spike(3));
}

TEST(SpikeScale, JudgesAlikeWithWhatItWasRestoredTo) {
  SpikeScale scale({"skip", 5, 8}), again({"skip", 5, 8});
  for (int i = 0; i < 20; ++i) scale.add(std::sin(i) / 3);
  again.restore(scale.losses());
  EXPECT_EQ(again.z(2), scale.z(2));
  // A window that is smaller now keeps the newest.
  SpikeScale smaller({"skip", 5, 4});
  smaller.restore(scale.losses());
  EXPECT_EQ(smaller.losses(), std::vector<double>(scale.losses().end() - 4, scale.losses().end()));
}

TEST(SpikeScale, IsOffWhereNobodyAsks) {
  SpikeScale scale({"off", 5, 8});
  for (int i = 0; i < 20; ++i) scale.add(1);
  EXPECT_TRUE(scale.losses().empty());
  EXPECT_FALSE(scale.is_spike(1000));
}

}  // namespace
}  // namespace lockstep
