// SPDX-License-Identifier: Apache-2.0
#include "train/gradient_pass.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "comm/loopback/loopback_world.h"
#include "lockstep/base/error.h"
#include "parallel/gradient_reducer.h"
#include "parallel/step_mean.h"
#include "points.h"
#include "support/whole_mean.h"

namespace lockstep {
namespace {

constexpr std::int64_t kMicroBatch = 5;

// Everything that could leak from one micro-batch into the next: running statistics and dropout.
struct Net : Model {
  explicit Net(double dropout) : p(dropout) {
    a = register_module("a", torch::nn::Linear(6, 8));
    norm = register_module("norm", torch::nn::BatchNorm1d(8));
    b = register_module("b", torch::nn::Linear(8, 3));
  }
  torch::Tensor forward(torch::Tensor x) override {
    x = torch::relu(norm->forward(a->forward(x)));
    return b->forward(p > 0 ? torch::dropout(x, p, is_training()) : x);
  }
  double p;
  torch::nn::Linear a{nullptr}, b{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
};

std::shared_ptr<Net> make_net(double dropout) {
  torch::manual_seed(3);
  return std::make_shared<Net>(dropout);
}

OptimOptions standing_still() {
  OptimOptions optim;
  optim.type = "sgd";
  optim.lr = 0;
  optim.weight_decay = 0;
  return optim;
}

TrainingPlan plan_for(MicroBatchRun mine, int micro_batches) {
  TrainingPlan plan;
  plan.micro_batches = micro_batches;
  plan.mine = mine;
  plan.micro_batch = kMicroBatch;
  plan.global_batch = kMicroBatch * micro_batches;
  return plan;
}

// The partial sums that a rank with `run` of 4 micro-batches makes of step 1.
std::vector<PartialSum> sums_of(MicroBatchRun run) {
  TrainingState state(make_net(0.5), standing_still(), {});
  GradientPass pass(state, plan_for(run, 4), {.seed = 11});
  auto sums = pass.run(Step(1), points(run.first * kMicroBatch, run.count * kMicroBatch, kMicroBatch));
  EXPECT_EQ(pass.computed(), run.count);
  for (PartialSum& sum : sums) sum.flat = sum.flat.clone();
  return sums;
}

TEST(GradientPass, ContributionIsTheSameBitsWhateverRanBeforeIt) {
  const torch::Tensor alone = sums_of({2, 1}).at(0).flat;
  const auto after_one = sums_of({1, 2});
  const auto after_two = sums_of({0, 3});
  ASSERT_EQ(after_one.size(), 2u);
  ASSERT_EQ(after_two.size(), 2u);
  EXPECT_EQ(after_two[1].node, (MicroBatchRun{2, 1}));
  EXPECT_TRUE(torch::equal(after_one[1].flat, alone));
  EXPECT_TRUE(torch::equal(after_two[1].flat, alone));
  EXPECT_FALSE(torch::equal(after_one[0].flat, alone));
  EXPECT_GT(alone.abs().sum().item<double>(), 0);
}

TEST(GradientPass, PartialSumsOfAllRunsAreOneTree) {
  const torch::Tensor whole = sums_of({0, 4}).at(0).flat;
  const torch::Tensor left = sums_of({0, 2}).at(0).flat;
  const torch::Tensor right = sums_of({2, 2}).at(0).flat;
  EXPECT_TRUE(torch::equal(left + right, whole));
}

TEST(GradientPass, DropoutFollowsTheSeedTheStepAndTheMicroBatch) {
  const auto contribution = [](std::uint64_t seed, Step step, int leaf) {
    TrainingState state(make_net(0.5), standing_still(), {});
    GradientPass pass(state, plan_for({leaf, 1}, 4), {.seed = seed});
    return pass.run(step, points(0, kMicroBatch, kMicroBatch)).at(0).flat.clone();
  };
  const torch::Tensor first = contribution(1, Step(1), 0);
  torch::rand({7});  // a generator that stands elsewhere changes nothing
  EXPECT_TRUE(torch::equal(contribution(1, Step(1), 0), first));
  EXPECT_FALSE(torch::equal(contribution(2, Step(1), 0), first));
  EXPECT_FALSE(torch::equal(contribution(1, Step(2), 0), first));
  EXPECT_FALSE(torch::equal(contribution(1, Step(1), 1), first));
}

TEST(GradientPass, OneMicroBatchAStepIsPlainPyTorchBitForBit) {
  const auto plain = make_net(0);
  const auto ours = make_net(0);
  TrainingState state(ours, standing_still(), {});
  GradientPass pass(state, plan_for({0, 1}, 1), {});
  World world = world_of_one();
  const auto reducer =
      make_exact_reducer(world, {1, state.arena().contribution_count(), state.arena().values().options()});
  for (std::int64_t step = 1; step <= 3; ++step) {
    const MicroBatches batch = points(step * kMicroBatch, kMicroBatch, kMicroBatch);
    const Batch tensors = to_device(batch.front(), {});
    plain->zero_grad();
    plain->loss(plain->forward(tensors.input()), tensors.target(), LossKind::kAuto).backward();
    const torch::Tensor mean = whole_mean(*reducer, pass.run(Step(step), batch));
    StepMean(state.arena(), mean).apply(&state.optimizer(), {});
    const auto& entries = state.arena().parameters();
    const auto parameters = plain->parameters();
    ASSERT_EQ(entries.size(), parameters.size());
    for (std::size_t i = 0; i < entries.size(); ++i)
      EXPECT_TRUE(torch::equal(ModelArena::view(mean, entries[i]), parameters[i].grad())) << entries[i].name;
    EXPECT_TRUE(torch::equal(ours->norm->running_mean, plain->norm->running_mean)) << step;
    EXPECT_TRUE(torch::equal(ours->norm->running_var, plain->norm->running_var)) << step;
  }
  EXPECT_EQ(ours->norm->num_batches_tracked.item<std::int64_t>(), 3);
}

TEST(GradientPass, RunningStatisticsAreTheMeanOverTheMicroBatches) {
  const auto ours = make_net(0);
  TrainingState state(ours, standing_still(), {});
  GradientPass pass(state, plan_for({0, 4}, 4), {});
  World world = world_of_one();
  const auto reducer =
      make_exact_reducer(world, {4, state.arena().contribution_count(), state.arena().values().options()});
  for (std::int64_t step = 1; step <= 3; ++step)
    StepMean(state.arena(),
             whole_mean(*reducer, pass.run(Step(step), points(0, 4 * kMicroBatch, kMicroBatch))))
        .apply(&state.optimizer(), {});
  // With weights that stand still the mean of micro-batches' means is the mean of all samples.
  const MicroBatches all = points(0, 4 * kMicroBatch, 4 * kMicroBatch);
  const torch::Tensor mean = ours->a->forward(to_device(all.front(), {}).input()).mean(0);
  EXPECT_TRUE(torch::allclose(ours->norm->running_mean, mean * (1 - 0.9 * 0.9 * 0.9), 1e-4, 1e-6));
  // One a step, not one a micro-batch.
  EXPECT_EQ(ours->norm->num_batches_tracked.item<std::int64_t>(), 3);
}

struct CountsPositive : Net {
  CountsPositive() : Net(0) { seen = register_buffer("seen", torch::zeros({}, torch::kInt64)); }
  torch::Tensor forward(torch::Tensor x) override {
    torch::NoGradGuard no_grad;
    seen.add_((x > 0.1).sum());
    at::AutoGradMode with_grad(true);
    return Net::forward(x);
  }
  torch::Tensor seen;
};

TEST(GradientPass, IntegerBufferThatDependsOnTheDataIsRefusedByName) {
  TrainingState state(std::make_shared<CountsPositive>(), standing_still(), {});
  GradientPass pass(state, plan_for({0, 4}, 4), {});
  try {
    pass.run(Step(1), points(0, 4 * kMicroBatch, kMicroBatch));
    FAIL() << "accepted";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kBug);
    EXPECT_NE(fault.fact().find("integer buffer seen differs"), std::string::npos) << fault.what();
  }
}

}  // namespace
}  // namespace lockstep
