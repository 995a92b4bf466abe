// SPDX-License-Identifier: Apache-2.0
// A parameter that a step did not reach is left alone, as torch.optim leaves one whose grad is None.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lockstep/base/error.h"
#include "optim/optimizer.h"

namespace lockstep {
namespace {

constexpr int kSteps = 24;
const std::vector<std::int64_t> kSizes = {5, 1, 17, 8, 33, 2};
const ParameterOffsets kOffsets = {0, 8, 16, 40, 48, 88};
constexpr std::int64_t kEnd = 96;

struct Case {
  std::string name;
  OptimOptions options;

  friend void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }
};

class SkippedParameters : public testing::TestWithParam<Case> {
 protected:
  static torch::Tensor part(const torch::Tensor& flat, std::size_t i) {
    return flat.narrow(0, kOffsets[i], kSizes[i]);
  }
  static torch::Tensor filled(int seed) {
    torch::manual_seed(seed);
    const torch::Tensor flat = torch::zeros({kEnd}, torch::kFloat64);
    for (std::size_t i = 0; i < kSizes.size(); ++i) part(flat, i).normal_();
    return flat;
  }
  // The fourth comes late, the sixth never; others miss a step now and then, the first none.
  static std::vector<char> reached(int step) {
    return {1, step % 3 != 0, step % 2 == 0, step > 10, step % 3 != 0, 0};
  }
  static std::unique_ptr<torch::optim::Optimizer> torchs(const OptimOptions& o,
                                                         const std::vector<torch::Tensor>& list) {
    using namespace torch::optim;
    const std::tuple<double, double> betas = {o.betas[0], o.betas[1]};
    if (o.type == "sgd")
      return std::make_unique<SGD>(
          list, SGDOptions(o.lr).momentum(o.momentum).nesterov(o.nesterov).weight_decay(o.weight_decay));
    if (o.type == "adam")
      return std::make_unique<Adam>(list, AdamOptions(o.lr).betas(betas).weight_decay(o.weight_decay));
    return std::make_unique<AdamW>(list, AdamWOptions(o.lr).betas(betas).weight_decay(o.weight_decay));
  }
};

TEST_P(SkippedParameters, AreSkippedAsTorchSkipsThem) {
  const OptimOptions& options = GetParam().options;
  torch::Tensor ours = filled(1);
  std::vector<torch::Tensor> theirs;
  for (std::size_t i = 0; i < kSizes.size(); ++i) theirs.push_back(part(ours, i).clone().requires_grad_());
  const torch::Tensor never = part(ours, 5).clone();
  const auto optimizer = FlatOptimizer::make(options, ours, kOffsets);
  const auto reference = torchs(options, theirs);
  std::vector<double> counts(kSizes.size(), 0);
  for (int step = 1; step <= kSteps; ++step) {
    const torch::Tensor gradient = filled(100 + step);
    const std::vector<char> mask = reached(step);
    for (std::size_t i = 0; i < kSizes.size(); ++i) {
      counts[i] += mask[i];
      theirs[i].mutable_grad() = mask[i] ? part(gradient, i).clone() : torch::Tensor();
      // What belongs to a parameter that was not reached must not be looked at.
      if (!mask[i]) part(gradient, i).fill_(std::nan(""));
    }
    reference->step();
    optimizer->update(gradient, options.lr, mask);
    for (std::size_t i = 0; i < kSizes.size(); ++i)
      ASSERT_LE((part(ours, i) - theirs[i].detach()).abs().max().item<double>(), 1e-12)
          << "parameter " << i << ", step " << step;
  }
  EXPECT_EQ(optimizer->steps(), counts);
  EXPECT_TRUE(torch::equal(part(ours, 5), never));
  for (const OptimizerSlot& slot : optimizer->slots())
    EXPECT_EQ(part(slot.flat, 5).abs().max().item<double>(), 0) << slot.name;
}

TEST_P(SkippedParameters, GoOnBitForBitFromSlotsAndStepCounts) {
  const OptimOptions& options = GetParam().options;
  torch::Tensor whole = filled(1);
  const auto uninterrupted = FlatOptimizer::make(options, whole, kOffsets);
  for (int step = 1; step <= 13; ++step) uninterrupted->update(filled(100 + step), options.lr, reached(step));
  torch::Tensor restored = whole.clone();
  const auto resumed = FlatOptimizer::make(options, restored, kOffsets);
  for (std::size_t i = 0; i < resumed->slots().size(); ++i)
    resumed->slots()[i].flat.copy_(uninterrupted->slots()[i].flat);
  resumed->set_steps(uninterrupted->steps());
  for (int step = 14; step <= kSteps; ++step) {
    uninterrupted->update(filled(100 + step), options.lr, reached(step));
    resumed->update(filled(100 + step), options.lr, reached(step));
  }
  EXPECT_TRUE(torch::equal(whole, restored));
}

OptimOptions sgd(double momentum, bool nesterov) {
  return {.type = "sgd", .lr = 0.1, .weight_decay = 0.05, .momentum = momentum, .nesterov = nesterov};
}

INSTANTIATE_TEST_SUITE_P(Of, SkippedParameters,
                         testing::Values(Case{"sgd", sgd(0, false)}, Case{"momentum", sgd(0.9, false)},
                                         Case{"nesterov", sgd(0.9, true)},
                                         Case{"adam", {.type = "adam", .lr = 0.01, .weight_decay = 0.1}},
                                         Case{"adamw", {.type = "adamw", .lr = 0.01, .weight_decay = 0.1}}),
                         [](const auto& info) { return info.param.name; });

TEST(SkippedParameters, MayBeAllOfThem) {
  torch::Tensor ours = torch::ones({kEnd});
  const auto optimizer = FlatOptimizer::make({.type = "adamw", .weight_decay = 0.1}, ours, kOffsets);
  optimizer->update(torch::ones({kEnd}), 0.1, std::vector<char>(kOffsets.size(), 0));
  EXPECT_TRUE(torch::equal(ours, torch::ones({kEnd})));
  EXPECT_THAT(optimizer->steps(), testing::Each(0));
  EXPECT_THROW(optimizer->update(torch::ones({kEnd}), 0.1, {1, 1}), Bug);
}

}  // namespace
}  // namespace lockstep
