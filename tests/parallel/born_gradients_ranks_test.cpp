// SPDX-License-Identifier: Apache-2.0
// Ranks as processes that read each other's gradients where autograd has made them: the same bits as by
// messages.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "comm/domain/host_domain.h"
#include "parallel/gradient_exchange.h"
#include "parallel/micro_batch_pass.h"
#include "parallel/ownership.h"
#include "support/ranks_main.h"
#include "tensors/kept_tensors.h"

namespace lockstep {
namespace {

// Parameters of 64 KiB and more whose gradients are as plain as can be, used twice, reached every other
// micro-batch, and of one that is stored the other way round; and small ones between them.
struct Net : torch::nn::Module {
  Net() {
    torch::manual_seed(5);
    plain = register_module("plain", torch::nn::Linear(200, 300));
    twice = register_module("twice", torch::nn::Linear(300, 300));
    sometimes = register_parameter("sometimes", torch::randn({300, 100}));
    turned = register_parameter("turned", torch::randn({100, 300}).t());
    head = register_module("head", torch::nn::Linear(300, 3));
  }
  torch::Tensor forward(const torch::Tensor& x, int micro_batch) {
    torch::Tensor h = torch::relu(plain->forward(x));
    h = torch::tanh(twice->forward(torch::tanh(twice->forward(h))));
    if (micro_batch % 2 == 1) h = h + h.mm(sometimes).repeat({1, 3});
    return head->forward(h + h.mm(turned).repeat({1, 3}));
  }
  torch::nn::Linear plain{nullptr}, twice{nullptr}, head{nullptr};
  torch::Tensor sometimes, turned;
};

struct Training {
  Training(World& world, int micro_batches, HostDomain* domain)
      : arena(net),
        exchange(make_exchange(world, arena, {micro_batches, false, domain})),
        pass({&arena}, {run_of(world, micro_batches), micro_batches, 7, false, 1}) {
    ParameterOffsets offsets;
    for (const ArenaEntry& entry : arena.trainable()) offsets.push_back(entry.offset);
    optimizer = FlatOptimizer::make({}, arena.trainable_values(), {offsets});
    if (domain != nullptr) exchange->share_state(arena, *optimizer);
    pass.use(*exchange);
  }

  // How many gradients this rank has not copied.
  std::int64_t reduce(int number) {
    if (number == 1) pass.check_next();
    pass.run(Step(number), [&](int micro_batch) {
      const torch::Tensor x = torch::randn({4, 200});
      return net.forward(x, micro_batch).square().mean();
    });
    std::int64_t born = 0;
    for (const PartialSum& sum : pass.sums())
      for (std::size_t i = 0; i < arena.trainable().size(); ++i) born += sum.is_born(i);
    exchange->reduce(pass.sums());
    norm = exchange->norm();
    return born;
  }
  std::int64_t step(int number) {
    const std::int64_t born = reduce(number);
    exchange->apply(optimizer.get(), {1e-2, number == 3 ? 0.5 : 1});
    return born;
  }

  Net net;
  ModelArena arena;
  std::unique_ptr<GradientExchange> exchange;
  MicroBatchPass pass;
  std::unique_ptr<FlatOptimizer> optimizer;
  double norm = 0;
};

class BornGradients : public ::testing::Test {
 protected:
  BornGradients() : world(test_world()), domain(HostDomain::meet(world)) {}
  void SetUp() override {
    at::set_num_threads(1);
    ASSERT_TRUE(keep_tensors());
    ASSERT_NE(domain, nullptr);
  }
  void compare(int micro_batches, bool any_born) {
    Training messages(world, micro_batches, nullptr), shared(world, micro_batches, domain.get());
    for (int step = 1; step <= 4; ++step) {
      const std::int64_t copied = messages.step(step), born = shared.step(step);
      EXPECT_EQ(copied, 0);
      EXPECT_EQ(born > 0, any_born);
      EXPECT_EQ(shared.norm, messages.norm) << micro_batches << " micro-batches, step " << step;
      EXPECT_TRUE(torch::equal(shared.arena.values(), messages.arena.values()))
          << micro_batches << " micro-batches, step " << step;
      trim_kept_tensors();
    }
    domain->barrier("compared");
  }

  World& world;
  std::unique_ptr<HostDomain> domain;
};

TEST_F(BornGradients, HaveTheBitsOfMessages) {
  for (int count = world.size().value; count <= world.size().value + 5; ++count) compare(count, true);
}

TEST_F(BornGradients, AreCopiedWhereTensorsAreNotKept) {
  stop_keeping_tensors();
  // One rank reads them wherever they are.
  compare(world.size().value + 1, world.size().value == 1);
}

// A loop of one's own changes .grad as it likes, and may keep it beyond the step that made it.
TEST_F(BornGradients, BecomeTheirMeanWhereTheyAre) {
  for (int count = world.size().value; count <= world.size().value + 5; ++count) {
    Training messages(world, count, nullptr), shared(world, count, domain.get());
    for (int step = 1; step <= 4; ++step) {
      messages.reduce(step);
      ASSERT_GT(shared.reduce(step), 0);
      const PartialSum first = shared.pass.sums().front();
      messages.exchange->average();
      shared.exchange->average();
      const std::vector<torch::Tensor>& parameters = shared.arena.trainable_tensors();
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        const torch::Tensor& mean = messages.arena.trainable_tensors()[i].grad();
        ASSERT_EQ(parameters[i].grad().defined(), mean.defined());
        if (!mean.defined()) continue;
        EXPECT_TRUE(torch::equal(parameters[i].grad(), mean)) << count << " micro-batches, step " << step;
        if (first.is_born(i)) {
          EXPECT_EQ(parameters[i].grad().data_ptr(), first.born[i].data_ptr());
        }
        // Each rank's own.
        parameters[i].mutable_grad().add_(world.rank().value);
      }
      domain->barrier("changed");
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        const torch::Tensor& mean = messages.arena.trainable_tensors()[i].grad();
        EXPECT_TRUE(!mean.defined() || torch::equal(parameters[i].grad(), mean + world.rank().value));
      }
      trim_kept_tensors();
    }
    domain->barrier("compared");
  }
}

// What one step publishes must not be anybody's before all have read it.
TEST_F(BornGradients, MayHaveTheLengthOfEverythingElse) {
  Training shared(world, 2 * world.size().value, domain.get());
  Training messages(world, 2 * world.size().value, nullptr);
  std::vector<torch::Tensor> others;
  for (int step = 1; step <= 12; ++step) {
    messages.step(step);
    shared.step(step);
    others.push_back(torch::full_like(shared.net.twice->weight, step));
    if (others.size() > 3) others.erase(others.begin());
    trim_kept_tensors();
    ASSERT_TRUE(torch::equal(shared.arena.values(), messages.arena.values())) << step;
  }
  domain->barrier("compared");
}

}  // namespace
}  // namespace lockstep
