// SPDX-License-Identifier: Apache-2.0
#include "optim/clip.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

TEST(GlobalNorm, IsTheRootOfTheSumOfSquares) {
  EXPECT_EQ(global_norm(torch::tensor({3.0f, -4.0f})), 5.0);
  EXPECT_EQ(global_norm(torch::tensor({3.0, -4.0}, torch::kFloat64)), 5.0);
  EXPECT_EQ(global_norm(torch::empty({0})), 0.0);
}

TEST(GlobalNorm, KeepsItsBitsAtAnyNumberOfThreads) {
  torch::manual_seed(5);
  const torch::Tensor flat = torch::randn({1'000'003});
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const double one = global_norm(flat);
  at::set_num_threads(3);
  const double three = global_norm(flat);
  at::set_num_threads(before);
  EXPECT_EQ(one, three);
  EXPECT_NEAR(one, flat.to(torch::kFloat64).norm().item<double>(), 1e-9 * one);
}

TEST(GlobalNorm, IsNotChangedByZeroPadding) {
  torch::manual_seed(6);
  const torch::Tensor flat = torch::randn({40'000});
  EXPECT_EQ(global_norm(flat), global_norm(torch::constant_pad_nd(flat, {0, 30'000})));
}

TEST(GlobalNorm, ShowsInfinityAndNaN) {
  torch::Tensor flat = torch::ones({100});
  flat[37] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isinf(global_norm(flat)));
  flat[38] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(global_norm(flat)));
}

TEST(Clip, ScalesAsTorchDoes) {
  torch::manual_seed(7);
  for (const double max_norm : {0.5, 5.0, 1000.0}) {
    torch::Tensor ours = torch::randn({1000}, torch::kFloat64);
    torch::Tensor theirs = torch::zeros({1000}, torch::kFloat64).requires_grad_();
    theirs.mutable_grad() = ours.clone();
    torch::nn::utils::clip_grad_norm_(theirs, max_norm);
    scale_gradients(ours, clip_scale(global_norm(ours), max_norm));
    EXPECT_TRUE(torch::allclose(ours, theirs.grad(), 1e-12, 0)) << max_norm;
  }
}

TEST(Clip, LeavesSmallGradientsUntouched) {
  torch::Tensor flat = torch::tensor({0.3f, 0.4f});
  scale_gradients(flat, clip_scale(global_norm(flat), 1.0));
  EXPECT_TRUE(torch::equal(flat, torch::tensor({0.3f, 0.4f})));
}

TEST(Clip, LetsANanNormSpoilTheGradients) {
  torch::Tensor flat = torch::ones({2});
  scale_gradients(flat, clip_scale(std::numeric_limits<double>::quiet_NaN(), 1.0));
  EXPECT_TRUE(flat.isnan().all().item<bool>());
}

TEST(Clip, RefusesANormOfZeroOrLess) {
  EXPECT_THROW(scale_gradients(torch::ones({2}), clip_scale(1.0, 0.0)), Bug);
}

}  // namespace
}  // namespace lockstep
