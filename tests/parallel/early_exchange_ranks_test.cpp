// SPDX-License-Identifier: Apache-2.0
// Gradients that leave during backward (Note [early buckets]), from rank to rank or from domain to domain:
// the bits of those that leave after it, and of memory in common, whatever the model does.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "comm/agree.h"
#include "comm/domain/host_domain.h"
#include "lockstep/base/error.h"
#include "optim/clip.h"
#include "parallel/early_exchange.h"
#include "parallel/gradient_exchange.h"
#include "parallel/micro_batch_pass.h"
#include "parallel/ownership.h"
#include "parallel/spare_cores.h"
#include "support/ranks_main.h"

namespace lockstep {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Runs `work` when backward comes by.
struct Behind : torch::autograd::Function<Behind> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               std::function<void()>* work) {
    context->saved_data["work"] = reinterpret_cast<std::int64_t>(work);
    return x.clone();
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    (*reinterpret_cast<std::function<void()>*>(context->saved_data["work"].toInt()))();
    return {gradients[0], torch::Tensor()};
  }
};

struct Call {
  int step;
  int micro_batch;
};

// A chain of layers, buffers and parameters that are special; `forward` says what is done with them.
struct Net : torch::nn::Module {
  Net() {
    torch::manual_seed(5);
    for (int i = 0; i < 5; ++i)
      layers.push_back(register_module("layer" + std::to_string(i), torch::nn::Linear(40, 40)));
    special = register_parameter("special", torch::randn({40}));
    unused = register_parameter("unused", torch::ones({70}));
    norm = register_module("norm", torch::nn::BatchNorm1d(40));
  }
  torch::Tensor chain(torch::Tensor x) {
    x = norm->forward(x);
    for (auto& layer : layers) x = torch::tanh(layer->forward(x));
    return x;
  }
  std::vector<torch::nn::Linear> layers;
  torch::nn::BatchNorm1d norm{nullptr};
  torch::Tensor special, unused;
};

using Loss = std::function<torch::Tensor(Net& net, const torch::Tensor& x, const Call& call)>;

// How gradients go from rank to rank, and who has which state.
struct Road {
  HostDomain* domain = nullptr;  // null: all by messages
  const char* overlap = "on";
  bool sharded = false;
  bool one_copy = true;  // a domain
};

struct Training {
  Training(World& world, int count, const Road& road)
      : arena(net),
        // So small that each parameter leaves alone.
        exchange(make_exchange(world, arena, {count, false, road.domain, road.overlap, 1e-4, road.sharded})),
        pass({&arena}, {run_of(world, count), count, 7, false, 1}) {
    ParameterOffsets offsets;
    for (const ArenaEntry& entry : arena.trainable()) offsets.push_back(entry.offset);
    optimizer = FlatOptimizer::make({}, arena.trainable_values(), {offsets});
    if (road.domain != nullptr && road.one_copy) exchange->share_state(arena, *optimizer);
    pass.use(*exchange);
  }

  void reduce(int number, const Loss& loss) {
    if (number == 1) pass.check_next();
    pass.run(Step(number), [&](int micro_batch) {
      const torch::Tensor x = torch::randn({8, 40});
      return loss(net, x, {number, micro_batch});
    });
    exchange->reduce(pass.sums());
    mean_loss = exchange->loss();
  }

  void step(int number, const Loss& loss, double clip) {
    reduce(number, loss);
    const double norm = clip > 0 ? exchange->norm() : 0;
    exchange->apply(optimizer.get(), {1e-2, clip > 0 ? clip_scale(norm, clip) : 1});
  }

  Net net;
  ModelArena arena;
  std::unique_ptr<GradientExchange> exchange;
  MicroBatchPass pass;
  std::unique_ptr<FlatOptimizer> optimizer;
  double mean_loss = 0;
};

class EarlyExchangeOf : public ::testing::Test {
 protected:
  EarlyExchangeOf()
      : world(test_world()),
        domain(HostDomain::meet(world)),
        halves(HostDomain::meet(world, {std::to_string(world.rank().value % 2), true})),
        rest(HostDomain::meet(world, {world.is_root() ? "first" : "rest", true})) {}
  void SetUp() override { at::set_num_threads(1); }

  // Trains on all roads, and compares.
  void compare(const Loss& loss, int steps = 4, double clip = 0) {
    for (const int count : {world.size().value, 2 * world.size().value + 3}) {
      Training late(world, count, {.overlap = "off"});
      std::map<std::string, Training> roads;
      const auto add = [&](const char* name, const Road& road) {
        roads.try_emplace(name, world, count, road);
        EXPECT_EQ(roads.at(name).exchange->early() != nullptr,
                  std::string(road.overlap) == "on" && world.size().value > 1)
            << name;
      };
      add("by messages", {});
      add("in common", {domain.get(), "off"});
      add("between two hosts", {halves.get()});
      add("between two hosts, sharded", {halves.get(), "on", true});
      add("between two hosts, a copy each", {halves.get(), "on", false, false});
      add("between one and the rest", {rest.get()});
      for (int step = 1; step <= steps; ++step) {
        late.step(step, loss, clip);
        for (auto& [name, road] : roads) {
          road.step(step, loss, clip);
          expect_same(late, road, fmt::format("{}, {} micro-batches, step {}", name, count, step));
        }
      }
      world.host().barrier();  // compared
    }
  }

  static void expect_same(const Training& one, const Training& other, const std::string& where) {
    EXPECT_EQ(one.mean_loss, other.mean_loss) << where;
    EXPECT_TRUE(torch::equal(one.arena.values(), other.arena.values())) << where;
    EXPECT_EQ(one.optimizer->steps(), other.optimizer->steps()) << where;
  }

  // Stays there for the backward pass.
  torch::Tensor behind(const torch::Tensor& x, std::function<void()> work) {
    works.push_back(std::move(work));
    return Behind::apply(x, &works.back());
  }

  World& world;
  std::unique_ptr<HostDomain> domain;        // of all
  std::unique_ptr<HostDomain> halves, rest;  // as if the ranks lay on two hosts
  std::deque<std::function<void()>> works;
};

torch::Tensor plain(Net& net, const torch::Tensor& x, const Call&) {
  return net.chain(x).square().mean();
}

TEST_F(EarlyExchangeOf, APlainModelHasTheBitsOfALateOne) {
  compare(plain);
}

TEST_F(EarlyExchangeOf, AClippedGradientHasTheBitsOfALateOne) {
  compare(plain, 4, 0.01);
}

TEST_F(EarlyExchangeOf, MixedPrecisionHasTheBitsOfALateOne) {
  compare([](Net& net, const torch::Tensor& x, const Call&) {
    torch::Tensor h = net.norm->forward(x).to(torch::kBFloat16);
    for (const auto& layer : net.layers)
      h = torch::tanh(torch::linear(h, layer->weight.to(torch::kBFloat16), layer->bias.to(torch::kBFloat16)));
    return h.to(torch::kFloat32).square().mean();
  });
}

TEST_F(EarlyExchangeOf, ATiedParameterLeavesWithItsWholeGradient) {
  compare([](Net& net, const torch::Tensor& x, const Call&) {
    const torch::Tensor h = net.chain(x * net.special);
    return (torch::linear(h, net.layers[0]->weight) * net.special).square().mean();
  });
}

TEST_F(EarlyExchangeOf, AParameterThatOnlySomeRanksReachHoldsNobodyUp) {
  compare([](Net& net, const torch::Tensor& x, const Call& call) {
    torch::Tensor h = net.chain(x);
    if (call.micro_batch % 3 == 1) h = h * net.special;
    return h.square().mean();
  });
}

TEST_F(EarlyExchangeOf, AGraphThatChangesFromStepToStepIsSummedWhole) {
  compare(
      [](Net& net, const torch::Tensor& x, const Call& call) {
        torch::Tensor h = x;
        if (call.step % 2 == 0) h = h * net.special + net.unused.narrow(0, 0, 40);
        for (int i = 0; i < 5; ++i)
          if (call.step != 3 + i)
            h = torch::tanh(net.layers[static_cast<std::size_t>((i * call.step) % 5)](h));
        return h.square().mean();
      },
      7);
}

// What is accumulated before the backward pass over the loss belongs to the gradient.
TEST_F(EarlyExchangeOf, ABackwardInForwardCounts) {
  compare([](Net& net, const torch::Tensor& x, const Call& call) {
    if (call.step != 2) (net.special * x[0]).sum().backward();
    return (net.chain(x) * net.special).square().mean();
  });
}

// Once the bucket has left, backward comes to its parameter again, in some steps and micro-batches alone.
TEST_F(EarlyExchangeOf, AGradientThatGrowsBehindItsBucketIsExchangedAgain) {
  for (const int first : {1, 2}) {
    std::set<const Net*> grown;
    compare(
        [&](Net& net, const torch::Tensor& x, const Call& call) {
          const auto again = [&net, &grown, first, call] {
            if (call.step < first || call.micro_batch % 2 == 1) return;
            grown.insert(&net);
            const at::AutoGradMode grad(true);
            (net.layers[4]->weight.sum() * 1e-2).backward();
          };
          const torch::Tensor h = behind(x * net.special, again);
          return net.chain(h).square().mean();
        },
        5);
    EXPECT_FALSE(grown.empty() && world.rank().value == 0);
  }
}

// Of each parameter .grad is the mean, also where a step before made no update.
TEST_F(EarlyExchangeOf, AveragedGradientsHaveTheBitsOfALateOne) {
  const int count = 2 * world.size().value + 3;
  Training late(world, count, {.overlap = "off"}), between(world, count, {halves.get(), "on", false, false});
  for (int step = 1; step <= 4; ++step) {
    for (Training* const training : {&late, &between}) {
      training->reduce(step, plain);
      step == 3 ? training->exchange->leave() : training->exchange->average();
    }
    for (std::size_t i = 0; step != 3 && i < late.arena.trainable().size(); ++i) {
      const torch::Tensor& one = late.arena.trainable_tensors()[i].grad();
      const torch::Tensor& other = between.arena.trainable_tensors()[i].grad();
      ASSERT_EQ(one.defined(), other.defined()) << late.arena.trainable()[i].name;
      EXPECT_TRUE(!one.defined() || torch::equal(one, other)) << late.arena.trainable()[i].name;
    }
  }
}

TEST_F(EarlyExchangeOf, AFastSumIsThatOfALateOneToRounding) {
  Net net_a, net_b;
  const int count = world.size().value + 1;
  ModelArena a(net_a), b(net_b);
  const auto early = make_exchange(world, a, {count, true, nullptr, "on", 1e-4});
  const auto late = make_exchange(world, b, {count, true, nullptr, "off", 1e-4});
  const PassOptions options{run_of(world, count), count, 7, false, 1};
  MicroBatchPass pass_a({&a}, options), pass_b({&b}, options);
  pass_a.use(*early);
  pass_b.use(*late);
  for (int step = 1; step <= 3; ++step) {
    const auto run = [&](Net& net, MicroBatchPass& pass, GradientExchange& exchange) {
      pass.run(Step(step), [&](int) { return plain(net, torch::randn({8, 40}), {}); });
      exchange.reduce(pass.sums());
      exchange.average();
    };
    run(net_a, pass_a, *early);
    run(net_b, pass_b, *late);
    for (std::size_t i = 0; i < a.trainable().size(); ++i) {
      const torch::Tensor &one = a.trainable_tensors()[i].grad(), &other = b.trainable_tensors()[i].grad();
      ASSERT_EQ(one.defined(), other.defined());
      if (!one.defined()) continue;
      EXPECT_TRUE(torch::allclose(one, other, 1e-5, 1e-7)) << a.trainable()[i].name;
    }
  }
}

// One rank fails while the buckets of the others are under way: all meet, and can go on.
TEST_F(EarlyExchangeOf, AFaultOfOneRankReachesTheMeetingOfAll) {
  const int count = 2 * world.size().value;
  for (HostDomain* const of : {static_cast<HostDomain*>(nullptr), halves.get()}) {
    Training early(world, count, {of}), late(world, count, {.overlap = "off"});
    const auto last_rank = [&] { return world.rank().value + 1 == world.size().value; };
    for (int step = 1; step <= 4; ++step) {
      for (const std::string where : {"forward", "backward"}) {
        if (step == 1) continue;
        EXPECT_THROW(together(world,
                              [&] {
                                early.pass.run(Step(step), [&](int) -> torch::Tensor {
                                  const auto fails = [&] {
                                    if (last_rank()) throw Fault(ExitCode::kConfig, "no luck", "");
                                  };
                                  if (where == "forward") fails();
                                  const torch::Tensor x = torch::randn({8, 40}).requires_grad_();
                                  return plain(early.net, behind(x, fails), {});
                                });
                                early.pass.drain();
                              }),
                     AgreedFault);
        early.pass.undo();
      }
      early.step(step, plain, 0);
      late.step(step, plain, 0);
      expect_same(late, early, fmt::format("step {}", step));
    }
    world.host().barrier();  // compared
  }
}

// It would meet the buckets of other ranks.
TEST_F(EarlyExchangeOf, ACollectiveOfTheModelItselfIsABug) {
  if (world.size().value == 1) return;
  Training early(world, world.size().value, {});
  bool calls = false;
  const auto step = [&](int number) {
    early.pass.run(Step(number), [&](int) {
      const auto work = [&] {
        if (calls) world.host().barrier();
      };
      const torch::Tensor x = torch::randn({8, 40}).requires_grad_();
      return plain(early.net, behind(x, work), {});
    });
  };
  step(1);
  early.exchange->reduce(early.pass.sums());
  calls = true;
  EXPECT_THROW(step(2), Bug);
  EXPECT_EQ(agree_max(world, 0).value, 0);  // all have drained
}

TEST(CoreShare, IsTheSameOnAllRanksAndCountsThreads) {
  World& world = test_world();
  const CoreShare none = share_of_cores(world, 1 << 20);
  EXPECT_FALSE(none.spare);
  EXPECT_EQ(none.ranks, world.size().value);
  EXPECT_EQ(none.threads, world.size().value << 20);
  const CoreShare share = share_of_cores(world, 1);
  EXPECT_EQ(share.spare, share.cores >= 2 * world.size().value);
  EXPECT_EQ(agree_max(world, share.cores).value, agree_min(world, share.cores).value);
  EXPECT_THAT(share.text(), ::testing::HasSubstr(world.place().host));
}

}  // namespace
}  // namespace lockstep
