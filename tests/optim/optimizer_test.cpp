// SPDX-License-Identifier: Apache-2.0
#include "optim/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

constexpr int kSteps = 20;

struct Setting {
  std::string name;
  OptimOptions options;

  friend void PrintTo(const Setting& one, std::ostream* out) { *out << one.name; }
};

OptimOptions sgd(double momentum, bool nesterov, double weight_decay) {
  return {.type = "sgd", .lr = 0.1, .weight_decay = weight_decay, .momentum = momentum, .nesterov = nesterov};
}

OptimOptions adam(const std::string& type, double weight_decay) {
  return {.type = type, .lr = 0.01, .betas = {0.9, 0.95}, .eps = 1e-6, .weight_decay = weight_decay};
}

std::unique_ptr<torch::optim::Optimizer> torchs(const OptimOptions& o, const torch::Tensor& parameters) {
  const std::vector<torch::Tensor> list = {parameters};
  const std::tuple<double, double> betas = {o.betas[0], o.betas[1]};
  if (o.type == "sgd") {
    return std::make_unique<torch::optim::SGD>(list, torch::optim::SGDOptions(o.lr)
                                                         .momentum(o.momentum)
                                                         .nesterov(o.nesterov)
                                                         .weight_decay(o.weight_decay));
  }
  if (o.type == "adam") {
    return std::make_unique<torch::optim::Adam>(
        list, torch::optim::AdamOptions(o.lr).betas(betas).eps(o.eps).weight_decay(o.weight_decay));
  }
  return std::make_unique<torch::optim::AdamW>(
      list, torch::optim::AdamWOptions(o.lr).betas(betas).eps(o.eps).weight_decay(o.weight_decay));
}

class FlatOptimizers : public testing::TestWithParam<Setting> {
 protected:
  // 103: neither a multiple of a vector register nor of a cache line.
  static torch::Tensor start(torch::Dtype dtype) {
    torch::manual_seed(1);
    return torch::randn({103}, torch::kFloat64).to(dtype);
  }
  static torch::Tensor gradient(int step, torch::Dtype dtype) {
    torch::manual_seed(100 + step);
    return torch::randn({103}, torch::kFloat64).to(dtype);
  }
};

TEST_P(FlatOptimizers, DoesWhatTorchDoesInFloat64) {
  const OptimOptions& options = GetParam().options;
  torch::Tensor ours = start(torch::kFloat64);
  torch::Tensor theirs = ours.clone().requires_grad_();
  const auto optimizer = FlatOptimizer::make(options, ours);
  const auto reference = torchs(options, theirs);
  for (int step = 1; step <= kSteps; ++step) {
    theirs.mutable_grad() = gradient(step, torch::kFloat64);
    reference->step();
    optimizer->update(gradient(step, torch::kFloat64), options.lr);
    ASSERT_LE((ours - theirs.detach()).abs().max().item<double>(), 1e-12) << "step " << step;
  }
  EXPECT_THAT(optimizer->steps(), testing::ElementsAre(kSteps));
  EXPECT_FALSE(torch::allclose(ours, start(torch::kFloat64)));
}

TEST_P(FlatOptimizers, GoesOnBitForBitFromItsSlots) {
  const OptimOptions& options = GetParam().options;
  for (const torch::Dtype dtype : {torch::kFloat32, torch::kFloat64}) {
    for (const int stop : {0, 1, 7}) {
      torch::Tensor whole = start(dtype);
      const auto uninterrupted = FlatOptimizer::make(options, whole);
      for (int step = 1; step <= stop; ++step) uninterrupted->update(gradient(step, dtype), options.lr);
      torch::Tensor restored = whole.clone();
      const auto resumed = FlatOptimizer::make(options, restored);
      const auto saved = uninterrupted->slots();
      const auto slots = resumed->slots();
      ASSERT_EQ(slots.size(), saved.size());
      for (std::size_t i = 0; i < slots.size(); ++i) slots[i].flat.copy_(saved[i].flat);
      resumed->set_steps(uninterrupted->steps());
      for (int step = stop + 1; step <= kSteps; ++step) {
        uninterrupted->update(gradient(step, dtype), options.lr);
        resumed->update(gradient(step, dtype), options.lr);
      }
      EXPECT_TRUE(torch::equal(whole, restored)) << "stopped after " << stop;
    }
  }
}

TEST_P(FlatOptimizers, LeavesZeroPaddingZero) {
  const OptimOptions& options = GetParam().options;
  torch::Tensor plain = start(torch::kFloat32);
  torch::Tensor padded = torch::constant_pad_nd(plain, {0, 25});
  const auto one = FlatOptimizer::make(options, plain);
  const auto other = FlatOptimizer::make(options, padded);
  for (int step = 1; step <= kSteps; ++step) {
    const torch::Tensor grad = gradient(step, torch::kFloat32);
    one->update(grad, options.lr);
    other->update(torch::constant_pad_nd(grad, {0, 25}), options.lr);
  }
  EXPECT_TRUE(torch::allclose(padded.narrow(0, 0, 103), plain, 1e-5, 1e-6));
  EXPECT_EQ(padded.narrow(0, 103, 25).abs().max().item<float>(), 0.0f);
}

// What an update of float32 by ATen's fused kernels is after kSteps.
torch::Tensor by_fused_kernels(const OptimOptions& o, const torch::Tensor& start,
                               const std::function<torch::Tensor(int)>& gradient) {
  const torch::Tensor p = start.clone(), m = torch::zeros_like(p), v = torch::zeros_like(p);
  const auto adam = o.type == "adamw" ? at::_ops::_fused_adamw_::call : at::_ops::_fused_adam_::call;
  for (int step = 1; step <= kSteps; ++step) {
    const torch::Tensor g = gradient(step), count = torch::full({}, static_cast<float>(step));
    if (o.type != "sgd")
      adam({p}, {g}, {m}, {v}, {}, {count}, o.lr, o.betas[0], o.betas[1], o.weight_decay, o.eps, false, false,
           {}, {});
    else if (o.momentum > 0)
      at::_fused_sgd_({p}, {g}, {m}, o.weight_decay, o.momentum, o.lr, 0, o.nesterov, false, step == 1);
    else
      at::_fused_sgd_({p}, {g}, {}, o.weight_decay, 0, o.lr, 0, false, false, false);
  }
  return p;
}

TEST_P(FlatOptimizers, IsAsNearInFloat32AsATensFusedKernels) {
  const OptimOptions& options = GetParam().options;
  const torch::Tensor begin = start(torch::kFloat32);
  const auto gradient32 = [](int step) { return gradient(step, torch::kFloat32); };
  torch::Tensor ours = begin.clone(), exact = begin.to(torch::kFloat64);
  const auto optimizer = FlatOptimizer::make(options, ours), reference = FlatOptimizer::make(options, exact);
  for (int step = 1; step <= kSteps; ++step) {
    optimizer->update(gradient32(step), options.lr);
    reference->update(gradient32(step).to(torch::kFloat64), options.lr);
  }
  const torch::Tensor theirs = by_fused_kernels(options, begin, gradient32);
  const auto error = [&](const torch::Tensor& made) {
    return (made.to(torch::kFloat64) - exact).pow(2).mean().sqrt().item<double>();
  };
  EXPECT_GT(error(theirs), 0);
  EXPECT_LE(error(ours), 1.25 * error(theirs)) << "of ATen's " << error(theirs);
}

INSTANTIATE_TEST_SUITE_P(
    All, FlatOptimizers,
    testing::Values(Setting{"sgd", sgd(0, false, 0)}, Setting{"sgd_decay", sgd(0, false, 0.1)},
                    Setting{"momentum", sgd(0.9, false, 0.01)}, Setting{"nesterov", sgd(0.9, true, 0.01)},
                    Setting{"adam", adam("adam", 0)}, Setting{"adam_decay", adam("adam", 0.1)},
                    Setting{"adamw", adam("adamw", 0.1)}),
    [](const auto& info) { return info.param.name; });

std::vector<std::string> slot_names(const OptimOptions& options) {
  std::vector<std::string> names;
  for (const OptimizerSlot& slot : FlatOptimizer::make(options, torch::zeros({4}))->slots())
    names.push_back(slot.name);
  return names;
}

TEST(FlatOptimizer, NamesItsSlotsAsPyTorchDoes) {
  EXPECT_THAT(slot_names(sgd(0, false, 0)), testing::IsEmpty());
  EXPECT_THAT(slot_names(sgd(0.9, false, 0)), testing::ElementsAre("momentum_buffer"));
  EXPECT_THAT(slot_names(adam("adam", 0)), testing::ElementsAre("exp_avg", "exp_avg_sq"));
  EXPECT_THAT(slot_names(adam("adamw", 0)), testing::ElementsAre("exp_avg", "exp_avg_sq"));
}

TEST(FlatOptimizer, TakesTheLearningRateOfEachUpdate) {
  torch::Tensor parameters = torch::zeros({2}, torch::kFloat64);
  const auto optimizer = FlatOptimizer::make(sgd(0, false, 0), parameters);
  optimizer->update(torch::ones({2}, torch::kFloat64), 0.5);
  optimizer->update(torch::ones({2}, torch::kFloat64), 0.25);
  EXPECT_EQ(parameters[0].item<double>(), -0.75);
}

TEST(FlatOptimizer, CorrectsTheBiasOfEveryStep) {
  const OptimOptions options = adam("adamw", 0);
  for (const double steps : {1., 2., 3., 64., 999., 1000., 123457., 1e7}) {
    torch::Tensor parameters = torch::zeros({1}, torch::kFloat64);
    const auto optimizer = FlatOptimizer::make(options, parameters);
    optimizer->set_steps({steps - 1});
    optimizer->update(torch::full({1}, 3, torch::kFloat64), options.lr);
    const double m = 3 * (1 - options.betas[0]) / (1 - std::pow(options.betas[0], steps));
    const double v = 9 * (1 - options.betas[1]) / (1 - std::pow(options.betas[1], steps));
    const double expected = -options.lr * m / (std::sqrt(v) + options.eps);
    EXPECT_NEAR(parameters.item<double>() / expected, 1, 1e-12) << "step " << steps;
  }
}

TEST(FlatOptimizer, RefusesOptionsOutOfRangeOrWithoutEffect) {
  const auto refused = [](const OptimOptions& options) {
    try {
      FlatOptimizer::make(options, torch::zeros({4}));
    } catch (const Fault& fault) {
      return fault.code() == ExitCode::kConfig;
    }
    return false;
  };
  EXPECT_TRUE(refused({.type = "adagrad"}));
  EXPECT_TRUE(refused({.type = "adamw", .momentum = 0.9}));
  EXPECT_TRUE(refused({.type = "adam", .nesterov = true}));
  EXPECT_TRUE(refused({.type = "adam", .betas = {0.9, 1.0}}));
  EXPECT_TRUE(refused({.type = "adam", .eps = -1}));
  EXPECT_TRUE(refused({.type = "adamw", .lr = -1}));
  EXPECT_TRUE(refused({.type = "adamw", .weight_decay = -1}));
  EXPECT_TRUE(refused({.type = "sgd", .nesterov = true}));
  EXPECT_TRUE(refused({.type = "sgd", .momentum = 1.0}));
}

TEST(FlatOptimizer, RefusesGradientsOfAnotherLayout) {
  const auto optimizer = FlatOptimizer::make({}, torch::zeros({4}));
  EXPECT_THROW(optimizer->update(torch::zeros({5}), 0.1), Bug);
  EXPECT_THROW(optimizer->update(torch::zeros({4}, torch::kFloat64), 0.1), Bug);
  EXPECT_THROW(FlatOptimizer::make({}, torch::zeros({2, 2})), Bug);
  EXPECT_THAT(optimizer->steps(), testing::ElementsAre(0));
}

}  // namespace
}  // namespace lockstep
