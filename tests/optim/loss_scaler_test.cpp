// SPDX-License-Identifier: Apache-2.0
#include "lockstep/optim/loss_scaler.h"

#include <gtest/gtest.h>

#include <limits>

namespace lockstep {
namespace {

// torch.amp.GradScaler's defaults: growth 2 after 2000 steps, backoff 0.5.
TEST(LossScaler, HalvesAtAnOverflowAndDoublesAfterTwoThousandGoodSteps) {
  LossScaler scaler;
  EXPECT_EQ(scaler.scale(), 65536);
  scaler.count(true);
  scaler.count(false);
  EXPECT_EQ(scaler.scale(), 32768);
  EXPECT_EQ(scaler.good_steps(), 0);
  for (int step = 0; step < 1999; ++step) scaler.count(true);
  EXPECT_EQ(scaler.scale(), 32768);
  scaler.count(true);
  EXPECT_EQ(scaler.scale(), 65536);
  EXPECT_EQ(scaler.good_steps(), 0);
  EXPECT_EQ(scaler.overflows(), 1);
}

TEST(LossScaler, DoesNotGrowBeyondFloat32) {
  LossScaler scaler;
  scaler.restore(0x1p127, 1999, 0);
  scaler.count(true);
  EXPECT_EQ(scaler.scale(), 0x1p127);
}

TEST(LossScaler, ScalesGradientsAndLeavesTheLoss) {
  const LossScaler scaler;
  torch::Tensor weight = torch::tensor({1.0F, 2.0F}, torch::requires_grad());
  const torch::Tensor loss = scaler.scaled((weight * weight).sum());
  EXPECT_EQ(loss.item<float>(), 5);
  loss.backward();
  EXPECT_TRUE(torch::equal(weight.grad(), torch::tensor({2.0F, 4.0F}) * 65536));
}

// 65536 is more than float16 has.
TEST(LossScaler, TakesALossOfHalfPrecisionInFull) {
  const LossScaler scaler;
  torch::Tensor weight = torch::tensor(1e-3F, torch::requires_grad());
  const torch::Tensor loss = scaler.scaled((weight * 1e-3).to(torch::kHalf));
  EXPECT_EQ(loss.scalar_type(), torch::kFloat32);
  loss.backward();
  EXPECT_TRUE(weight.grad().isinf().item<bool>());
}

TEST(LossScaler, LeavesALossThatDependsOnNothing) {
  const LossScaler scaler;
  const torch::Tensor loss = torch::ones({});
  EXPECT_TRUE(scaler.scaled(loss).is_same(loss));
  EXPECT_FALSE(scaler.scaled({}).defined());
}

TEST(LossScaler, UnscalesGradientsAndSaysWhetherTheyAreFinite) {
  LossScaler scaler;
  torch::Tensor first = torch::ones({2}, torch::requires_grad());
  torch::Tensor second = torch::ones({2}, torch::requires_grad());
  const torch::Tensor unused = torch::ones({2}, torch::requires_grad());
  first.mutable_grad() = torch::full({2}, 65536.0F);
  second.mutable_grad() = torch::full({2}, 3 * 65536.0F);
  EXPECT_TRUE(scaler.unscale({first, second, unused}));
  EXPECT_TRUE(torch::equal(first.grad(), torch::ones({2})));
  EXPECT_TRUE(torch::equal(second.grad(), torch::full({2}, 3.0F)));
  EXPECT_EQ(scaler.good_steps(), 1);

  second.mutable_grad()[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(scaler.unscale({first, second, unused}));
  EXPECT_EQ(scaler.scale(), 32768);
}

// As parameters() does of tied weights.
TEST(LossScaler, UnscalesAParameterThatIsListedTwiceOnce) {
  LossScaler scaler;
  torch::Tensor tied = torch::ones({2}, torch::requires_grad());
  tied.mutable_grad() = torch::full({2}, 3 * 65536.0F);
  EXPECT_TRUE(scaler.unscale({tied, tied}));
  EXPECT_TRUE(torch::equal(tied.grad(), torch::full({2}, 3.0F)));
}

// A checkpoint writes into the tensor.
TEST(LossScaler, GoesOnFromItsState) {
  LossScaler before, after;
  before.restore(1024, 17, 6);
  after.state().copy_(before.state());
  EXPECT_EQ(after.scale(), 1024);
  EXPECT_EQ(after.good_steps(), 17);
  EXPECT_EQ(after.overflows(), 6);
}

}  // namespace
}  // namespace lockstep
