// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lockstep/base/error.h"
#include "optim/optimizer.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kEnd = 128;
constexpr int kSteps = 20;
const std::vector<std::int64_t> kOffsets = {0, 16, 48, 64, 104};
const std::vector<std::int64_t> kSizes = {16, 27, 5, 40, 24};
const std::vector<std::string> kNames = {"a.weight", "a.bias", "norm.weight", "b.weight", "b.bias"};

OptimOptions with_groups(const std::string& type) {
  OptimOptions options;
  options.type = type;
  options.lr = 1e-2;
  options.weight_decay = 0.1;
  if (type == "sgd") options.momentum = 0.9;
  options.groups = {{.match = {"*.bias", "norm.*"}, .weight_decay = 0.0},
                    {.match = {"b.weight"}, .lr = 4e-3, .weight_decay = 0.3}};
  if (type != "sgd") options.groups[1].betas = {0.8, 0.95};
  if (type != "sgd") options.groups[1].eps = 1e-6;
  return options;
}

torch::Tensor part(const torch::Tensor& flat, std::size_t i) {
  return flat.narrow(0, kOffsets[i], kSizes[i]);
}

torch::Tensor filled(int seed) {
  torch::manual_seed(seed);
  const torch::Tensor flat = torch::zeros({kEnd}, torch::kFloat64);
  for (std::size_t i = 0; i < kSizes.size(); ++i) part(flat, i).normal_();
  return flat;
}

std::unique_ptr<torch::optim::OptimizerOptions> torchs_options(const OptimOptions& o) {
  using namespace torch::optim;
  const std::tuple<double, double> betas = {o.betas[0], o.betas[1]};
  if (o.type == "sgd")
    return std::make_unique<SGDOptions>(SGDOptions(o.lr).momentum(o.momentum).weight_decay(o.weight_decay));
  if (o.type == "adam")
    return std::make_unique<AdamOptions>(
        AdamOptions(o.lr).betas(betas).eps(o.eps).weight_decay(o.weight_decay));
  return std::make_unique<AdamWOptions>(
      AdamWOptions(o.lr).betas(betas).eps(o.eps).weight_decay(o.weight_decay));
}

// One param_group for the rest and one for each of ours, as Python would be told.
std::unique_ptr<torch::optim::Optimizer> torchs(const OptimOptions& o,
                                                const std::vector<torch::Tensor>& list) {
  const std::vector<int> of = groups_of(o, kNames);
  std::vector<torch::optim::OptimizerParamGroup> groups;
  for (int group = kNoGroup; group < std::ssize(o.groups); ++group) {
    std::vector<torch::Tensor> members;
    for (std::size_t i = 0; i < list.size(); ++i)
      if (of[i] == group) members.push_back(list[i]);
    groups.emplace_back(members, torchs_options(options_of_group(o, group)));
  }
  if (o.type == "sgd") return std::make_unique<torch::optim::SGD>(groups, torch::optim::SGDOptions(o.lr));
  if (o.type == "adam") return std::make_unique<torch::optim::Adam>(groups);
  return std::make_unique<torch::optim::AdamW>(groups);
}

class OptimizerGroups : public testing::TestWithParam<const char*> {};

TEST_P(OptimizerGroups, AreTorchsParamGroupsWhileTheLearningRateFollowsASchedule) {
  const OptimOptions options = with_groups(GetParam());
  const torch::Tensor ours = filled(1);
  std::vector<torch::Tensor> theirs;
  for (std::size_t i = 0; i < kSizes.size(); ++i) theirs.push_back(part(ours, i).clone().requires_grad_());
  const auto optimizer = FlatOptimizer::make(options, ours, {kOffsets, groups_of(options, kNames)});
  const auto reference = torchs(options, theirs);
  for (int step = 1; step <= kSteps; ++step) {
    const double share = step / static_cast<double>(kSteps);
    const torch::Tensor gradient = filled(100 + step);
    for (std::size_t i = 0; i < kSizes.size(); ++i) theirs[i].mutable_grad() = part(gradient, i).clone();
    for (std::size_t group = 0; group < reference->param_groups().size(); ++group)
      reference->param_groups()[group].options().set_lr(
          share * options_of_group(options, static_cast<int>(group) - 1).lr);
    reference->step();
    optimizer->update(gradient, share * options.lr);
    for (std::size_t i = 0; i < kSizes.size(); ++i)
      ASSERT_LT((part(ours, i) - theirs[i]).abs().max().item<double>(), 1e-12) << kNames[i] << " " << step;
  }
}

TEST_P(OptimizerGroups, ThatSayWhatTheSectionSaysChangeNoBit) {
  OptimOptions options = with_groups(GetParam());
  options.groups = {{.match = {"*.bias"}, .lr = options.lr, .weight_decay = options.weight_decay}};
  OptimOptions plain = options;
  plain.groups.clear();
  const torch::Tensor with = filled(2).to(torch::kFloat32), without = with.clone();
  const auto grouped = FlatOptimizer::make(options, with, {kOffsets, groups_of(options, kNames)});
  const auto whole = FlatOptimizer::make(plain, without, kOffsets);
  for (int step = 1; step <= kSteps; ++step) {
    const torch::Tensor gradient = filled(200 + step).to(torch::kFloat32);
    grouped->update(gradient, 1e-2 / step);
    whole->update(gradient, 1e-2 / step);
  }
  EXPECT_TRUE(torch::equal(with, without));
}

INSTANTIATE_TEST_SUITE_P(Of, OptimizerGroups, testing::Values("sgd", "adam", "adamw"),
                         [](const auto& info) { return std::string(info.param); });

std::string refusal_of(const OptimOptions& options) {
  try {
    groups_of(options, kNames);
    FlatOptimizer::make(options, filled(1), {kOffsets, groups_of(options, kNames)});
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    return fault.what();
  }
  return "nothing was refused";
}

TEST(OptimizerGroup, OfAGlobIsEveryParameterItMatchesWholly) {
  OptimOptions options;
  options.groups = {{.match = {"*bias"}}, {.match = {"?.weight"}}};
  EXPECT_THAT(groups_of(options, kNames), ElementsAre(1, 0, kNoGroup, 1, 0));
}

TEST(OptimizerGroup, WithAGlobThatMatchesNothingIsRefusedWithTheNamesThereAre) {
  OptimOptions options;
  options.groups = {{.match = {"*.bias", "ln"}, .weight_decay = 0.0}};
  EXPECT_EQ(refusal_of(options),
            "optim.groups: 'ln' of group 0 matches none of the model's parameters. "
            "Their names: a.weight, a.bias, norm.weight, b.weight, b.bias");
}

TEST(OptimizerGroup, ThatSharesAParameterWithAnotherIsRefused) {
  OptimOptions options;
  options.groups = {{.match = {"*.bias"}, .weight_decay = 0.0}, {.match = {"b.*"}, .lr = 1e-4}};
  EXPECT_THAT(refusal_of(options), HasSubstr("parameter b.bias is matched by groups 0 and 1"));
}

TEST(OptimizerGroup, WithALearningRateBesideOneOfZeroIsRefused) {
  OptimOptions options;
  options.lr = 0;
  options.groups = {{.match = {"*.bias"}, .lr = 1e-4}};
  EXPECT_THAT(refusal_of(options), HasSubstr("group 0 has lr 0.0001 beside optim.lr 0"));
}

TEST(OptimizerGroup, WithANumberOutOfRangeIsRefused) {
  OptimOptions options;
  options.groups = {{.match = {"*.bias"}, .weight_decay = -0.5}};
  EXPECT_THAT(refusal_of(options), HasSubstr("weight_decay is -0.5"));
}

TEST(OptimizerGroup, WithNumbersThatItsTypeHasNotIsRefused) {
  OptimOptions options;
  options.type = "sgd";
  options.groups = {{.match = {"*.bias"}, .eps = 1e-6}};
  EXPECT_THAT(refusal_of(options), HasSubstr("betas and eps of group 0 have no effect on sgd"));
}

}  // namespace
}  // namespace lockstep
