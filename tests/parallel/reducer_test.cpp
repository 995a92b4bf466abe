// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>

#include "comm/loopback/loopback_world.h"
#include "lockstep/base/error.h"
#include "parallel/arena.h"
#include "parallel/contribution_stack.h"
#include "parallel/gradient_hooks.h"
#include "parallel/gradient_reducer.h"
#include "parallel/ownership.h"

namespace lockstep {
namespace {

// Two layers that share a bias, a floating buffer and an integer one.
struct Net : torch::nn::Module {
  Net() {
    a = register_module("a", torch::nn::Linear(torch::nn::LinearOptions(5, 7)));
    b = register_module("b", torch::nn::Linear(torch::nn::LinearOptions(7, 3)));
    mean = register_buffer("mean", torch::zeros({7}));
    seen = register_buffer("seen", torch::zeros({}, torch::kInt64));
    unused = register_parameter("unused", torch::ones({2}));
  }
  torch::Tensor forward(const torch::Tensor& x) { return b(torch::relu(a(x))); }
  torch::nn::Linear a{nullptr}, b{nullptr};
  torch::Tensor mean, seen, unused;
};

torch::Tensor leaf_values(const ModelArena& arena, int leaf) {
  torch::manual_seed(100 + leaf);
  return torch::randn({arena.contribution_count()}) * (leaf % 3 + 0.1);
}

using MakeReducer = std::function<std::unique_ptr<GradientReducer>(World&, const ReducePlan&)>;

using Cut = std::function<std::vector<Slice>(std::int64_t count)>;

std::vector<Slice> whole(std::int64_t count) {
  return {{0, count}};
}

// From the end, in ranges shorter and longer than what a rank gets of one.
std::vector<Slice> in_pieces(std::int64_t count) {
  std::vector<Slice> pieces;
  std::int64_t length = 3;
  for (std::int64_t end = count; end > 0; end = pieces.back().begin, length = length * 5 % 211)
    pieces.push_back({std::max<std::int64_t>(0, end - length), end});
  return pieces;
}

// The mean over `leaves` micro-batches with made-up contributions, computed by `ranks` ranks; checked to be
// equal on all of them.
torch::Tensor mean_of(int leaves, int ranks, const MakeReducer& make, const Cut& cut = whole) {
  std::vector<torch::Tensor> results(static_cast<std::size_t>(ranks));
  std::vector<torch::Tensor> values;  // made up front: the threads share LibTorch's default generator
  Net net_for_layout;
  const ModelArena layout(net_for_layout);
  for (int leaf = 0; leaf < leaves; ++leaf) values.push_back(leaf_values(layout, leaf));
  run_loopback(WorldSize(ranks), [&](World& world) {
    Net net;
    const ModelArena arena(net);
    const MicroBatchRun run = run_of(world, leaves);
    ContributionStack stack(arena, run, leaves);
    for (int leaf = run.first; leaf < run.end(); ++leaf) {
      stack.open(leaf);
      const torch::Tensor& mine = values[static_cast<std::size_t>(leaf)];
      stack.accumulates() ? stack.target().flat.add_(mine) : stack.target().flat.copy_(mine);
      stack.close();
    }
    const auto reducer = make(world, {leaves, arena.contribution_count(), arena.values().options()});
    const std::vector<Slice> ranges = cut(arena.contribution_count());
    for (std::size_t i = 0; i < ranges.size(); i += 2)  // two at a time
      reducer->reduce(stack.sums(),
                      std::span(ranges).subspan(i, std::min<std::size_t>(2, ranges.size() - i)));
    results[static_cast<std::size_t>(world.rank().value)] = reducer->mean().clone();
  });
  for (const torch::Tensor& result : results) EXPECT_TRUE(torch::equal(result, results[0]));
  return results[0];
}

TEST(ExactReducer, GivesTheSameBitsAtEveryWorldSize) {
  for (const int leaves : {1, 2, 3, 5, 7, 8, 12, 13}) {
    const torch::Tensor alone = mean_of(leaves, 1, make_exact_reducer);
    for (int ranks = 2; ranks <= std::min(leaves, 6); ++ranks)
      EXPECT_TRUE(torch::equal(mean_of(leaves, ranks, make_exact_reducer), alone))
          << leaves << " micro-batches, " << ranks << " ranks";
  }
}

TEST(ExactReducer, GivesTheSameBitsInAnyCut) {
  for (const int leaves : {2, 5, 12})
    for (int ranks = 1; ranks <= std::min(leaves, 4); ++ranks)
      EXPECT_TRUE(torch::equal(mean_of(leaves, ranks, make_exact_reducer, in_pieces),
                               mean_of(leaves, 1, make_exact_reducer)))
          << leaves << " micro-batches, " << ranks << " ranks";
}

// What was exchanged too early is exchanged again.
TEST(ExactReducer, OnlyReadsPartialSums) {
  for (const auto& make : {make_exact_reducer, make_fast_reducer}) {
    run_loopback(WorldSize(3), [&](World& world) {
      Net net;
      const ModelArena arena(net);
      const MicroBatchRun run = run_of(world, 8);
      std::vector<PartialSum> sums, before;
      for (const MicroBatchRun node : complete_subtrees(run, 8)) {
        const torch::Tensor values = torch::arange(arena.contribution_count()) * (node.first + 0.1f);
        sums.push_back({node, values});
        before.push_back({node, values.clone()});
      }
      const auto reducer = make(world, {8, arena.contribution_count(), arena.values().options()});
      const Slice all{0, arena.contribution_count()};
      reducer->reduce(sums, {&all, 1});
      const torch::Tensor mean = reducer->mean().clone();
      for (std::size_t i = 0; i < sums.size(); ++i) EXPECT_TRUE(torch::equal(sums[i].flat, before[i].flat));
      reducer->reduce(sums, {&all, 1});
      EXPECT_TRUE(torch::equal(reducer->mean(), mean));
    });
  }
}

TEST(ExactReducer, SumsAlongTheDocumentedTree) {
  Net net;
  const ModelArena arena(net);
  std::vector<torch::Tensor> leaf;
  for (int i = 0; i < 5; ++i) leaf.push_back(leaf_values(arena, i));
  const torch::Tensor expected = (((leaf[0] + leaf[1]) + (leaf[2] + leaf[3])) + leaf[4]) / 5;
  EXPECT_TRUE(torch::equal(mean_of(5, 1, make_exact_reducer), expected));
  EXPECT_TRUE(torch::equal(mean_of(5, 3, make_exact_reducer), expected));
}

TEST(FastReducer, AgreesWithTheExactOneToRounding) {
  for (int ranks = 1; ranks <= 4; ++ranks)
    EXPECT_TRUE(torch::allclose(mean_of(12, ranks, make_fast_reducer), mean_of(12, 1, make_exact_reducer),
                                1e-5, 1e-6));
}

TEST(Arena, MakesParametersAndBuffersViewsOfOneTensor) {
  Net net;
  const torch::Tensor before = net.a->weight.detach().clone();
  const ModelArena arena(net);
  EXPECT_TRUE(torch::equal(net.a->weight, before));
  EXPECT_EQ(arena.parameters().size(), 5u);
  EXPECT_EQ(arena.buffers().size(), 1u);
  ASSERT_EQ(arena.integer_buffers().size(), 1u);
  EXPECT_EQ(arena.integer_buffers()[0].first, "seen");
  torch::NoGradGuard no_grad;
  arena.values().fill_(3);
  EXPECT_EQ(net.a->weight[0][0].item<float>(), 3);
  EXPECT_EQ(net.mean[6].item<float>(), 3);
  for (const auto& entry : arena.parameters()) EXPECT_EQ(entry.offset * sizeof(float) % 64, 0u) << entry.name;
}

TEST(Arena, RefusesParametersOfSeveralDtypes) {
  struct Mixed : torch::nn::Module {
    Mixed() {
      register_parameter("x", torch::ones({2}));
      register_parameter("y", torch::ones({2}, torch::kFloat64));
    }
  } mixed;
  EXPECT_THROW(ModelArena{mixed}, Fault);
}

TEST(Arena, LaysFrozenParametersBehindWhatIsExchanged) {
  Net net;
  net.a->weight.set_requires_grad(false);
  const torch::Tensor before = net.a->weight.clone();
  const ModelArena arena(net);
  EXPECT_EQ(arena.parameters().size(), 5u);
  EXPECT_EQ(arena.trainable().size(), 4u);
  ASSERT_EQ(arena.frozen().size(), 1u);
  EXPECT_EQ(arena.frozen()[0].name, "a.weight");
  EXPECT_GE(arena.frozen()[0].offset, arena.loss_offset());
  EXPECT_EQ(arena.contribution_count(), arena.loss_offset() + 1 + 4 + 1);
  EXPECT_TRUE(torch::equal(net.a->weight, before));
  EXPECT_FALSE(net.a->weight.requires_grad());
  EXPECT_TRUE(net.b->weight.requires_grad());
}

TEST(Arena, LaysABufferWithTwoNamesOutOnce) {
  Net net;
  net.register_buffer("again", net.mean);
  const ModelArena arena(net);
  ASSERT_EQ(arena.buffers().size(), 1u);
  torch::NoGradGuard no_grad;
  arena.buffer_values().fill_(2);
  EXPECT_EQ(net.named_buffers()["again"][0].item<float>(), 2);
}

std::string refusal_of(torch::nn::Module& model) {
  try {
    const ModelArena arena(model);
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    return fault.fact();
  }
  return "nothing was refused";
}

TEST(Arena, RefusesAModelWithNothingToTrain) {
  Net net;
  for (torch::Tensor& parameter : net.parameters()) parameter.set_requires_grad(false);
  EXPECT_EQ(refusal_of(net),
            "none of the model's parameters has requires_grad, so there is nothing to train (the first is "
            "unused)");
  torch::nn::ReLU empty;
  EXPECT_EQ(refusal_of(*empty), "the model has no parameters, so there is nothing to train");
}

TEST(GradientHooks, MoveGradientsAndGiveUnusedParametersZero) {
  Net net;
  const ModelArena arena(net);
  GradientHooks hooks(arena);
  const torch::Tensor flat = torch::full({arena.contribution_count()}, 9.0);
  PartialSum sum{{0, 1}, flat};
  const torch::Tensor x = torch::randn({4, 5});
  const auto pass = [&](bool accumulate) {
    hooks.aim(sum, accumulate);
    const torch::Tensor loss = net.forward(x).square().mean();
    hooks.watch();
    loss.backward();
    EXPECT_EQ(hooks.settle(), GradientHooks::Outcome::kComplete);
  };
  pass(/*accumulate=*/false);
  EXPECT_FALSE(net.a->weight.grad().defined());
  const torch::Tensor gradient = ModelArena::view(flat, arena.parameters()[1]).clone();  // a.weight
  EXPECT_GT(gradient.abs().sum().item<float>(), 0);
  EXPECT_EQ(ModelArena::view(flat, arena.parameters()[0]).abs().sum().item<float>(), 0) << "unused";
  const torch::Tensor reached = flat.narrow(0, arena.reached_offset(), 5);
  EXPECT_TRUE(torch::equal(reached, torch::tensor({0.f, 1.f, 1.f, 1.f, 1.f})));

  pass(/*accumulate=*/true);
  EXPECT_TRUE(torch::equal(ModelArena::view(flat, arena.parameters()[1]), gradient + gradient));
  EXPECT_TRUE(torch::equal(reached, torch::tensor({0.f, 2.f, 2.f, 2.f, 2.f})));
}

// What is wrong with a gradient that must not be taken as it is.
torch::Tensor kept_aside;
struct KeepAside : torch::autograd::Function<KeepAside> {
  static torch::Tensor forward(torch::autograd::AutogradContext*, const torch::Tensor& x) {
    return x.clone();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list gradients) {
    kept_aside = gradients[0].detach() * 1;
    return {kept_aside.alias()};
  }
};

TEST(BornGradients, StayWhereTheyAreMadeUntilSomebodyElseHoldsThem) {
  Net net;
  const ModelArena arena(net);
  GradientHooks hooks(arena);
  hooks.adopt([](const torch::Tensor& gradient) { return gradient.dim() == 2; });
  PartialSum sum{{0, 1}, arena.new_contribution()};
  const torch::Tensor x = torch::randn({4, 5});
  const auto pass = [&](bool accumulate, bool aside) {
    hooks.aim(sum, accumulate);
    const torch::Tensor weight = aside ? KeepAside::apply(net.a->weight) : net.a->weight;
    const torch::Tensor loss = net.b->forward(torch::linear(x, weight, net.a->bias)).square().mean();
    hooks.watch();
    loss.backward();
    EXPECT_EQ(hooks.settle(), GradientHooks::Outcome::kComplete);
  };
  pass(/*accumulate=*/false, /*aside=*/false);
  const std::size_t kWeight = 1, kBias = 2;
  ASSERT_EQ(arena.trainable()[kWeight].name, "a.weight");
  EXPECT_TRUE(sum.is_born(kWeight));
  EXPECT_FALSE(sum.is_born(kBias));
  EXPECT_EQ(ModelArena::view(sum.flat, arena.trainable()[kWeight]).abs().sum().item<float>(), 0);
  const torch::Tensor weight = sum.gradient(arena, kWeight).clone(),
                      bias = sum.gradient(arena, kBias).clone();
  EXPECT_GT(weight.abs().sum().item<float>(), 0);

  pass(/*accumulate=*/true, /*aside=*/false);
  EXPECT_TRUE(torch::equal(sum.gradient(arena, kWeight), weight + weight));
  EXPECT_TRUE(torch::equal(sum.gradient(arena, kBias), bias + bias));
  PartialSum other{{1, 1}, arena.new_contribution()};
  ModelArena::view(other.flat, arena.trainable()[kWeight]).fill_(2);
  sum.add(arena, other);
  EXPECT_TRUE(torch::equal(sum.gradient(arena, kWeight), weight + weight + 2));

  pass(/*accumulate=*/false, /*aside=*/true);
  EXPECT_FALSE(sum.is_born(kWeight)) << "somebody has its memory";
  EXPECT_TRUE(torch::equal(sum.gradient(arena, kWeight), weight));
  kept_aside.reset();
}

TEST(ContributionStack, RefusesAForeignMicroBatch) {
  Net net;
  const ModelArena arena(net);
  ContributionStack stack(arena, {2, 3}, 8);
  EXPECT_THROW(stack.open(1), Bug);
  EXPECT_THROW(stack.open(5), Bug);
}

}  // namespace
}  // namespace lockstep
