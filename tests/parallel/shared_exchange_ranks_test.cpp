// SPDX-License-Identifier: Apache-2.0
// Ranks as processes that have memory in common: the same bits as by messages.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <set>
#include <string>

#include "comm/domain/host_domain.h"
#include "optim/clip.h"
#include "parallel/gradient_exchange.h"
#include "parallel/made_up_training.h"
#include "parallel/ownership.h"
#include "parallel/parted_slots.h"
#include "support/ranks_main.h"
#include "tensors/kept_tensors.h"

namespace lockstep {
namespace {

class SharedExchange : public ::testing::Test {
 protected:
  SharedExchange() : world(test_world()), domain(HostDomain::meet(world)) {}

  World& world;
  std::unique_ptr<HostDomain> domain;
};

TEST_F(SharedExchange, HasADomainOfAllRanksOfOneHost) {
  ASSERT_NE(domain, nullptr);
  EXPECT_EQ(domain->size(), world.size().value);
  EXPECT_EQ(domain->rank(), world.rank().value);
}

// The ranks as if they lay on several hosts: of each which one.
struct Hosts {
  const char* name;
  int (*of)(int rank);
};

class SharedExchangeOn : public ::testing::TestWithParam<Hosts> {
 protected:
  SharedExchangeOn()
      : world(test_world()),
        domain(HostDomain::meet(world, {std::to_string(GetParam().of(world.rank().value)), true})) {}

  World& world;
  std::unique_ptr<HostDomain> domain;
};

INSTANTIATE_TEST_SUITE_P(Ranks, SharedExchangeOn,
                         ::testing::Values(Hosts{"OneHost", [](int) { return 0; }},
                                           Hosts{"HostsInTurn", [](int rank) { return rank % 2; }},
                                           Hosts{"OneAndTheRest", [](int rank) { return rank > 0 ? 1 : 0; }},
                                           Hosts{"TwoAndSingles",
                                                 [](int rank) { return std::max(rank, 1); }}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(SharedExchangeOn, HasTheRanksOfItsHost) {
  std::set<int> hosts;
  for (int rank = 0; rank < world.size().value; ++rank) hosts.insert(GetParam().of(rank));
  EXPECT_EQ(domain->domains().size(), hosts.size());
  EXPECT_EQ(domain->members()[static_cast<std::size_t>(domain->rank())], world.rank().value);
  for (const int member : domain->members())
    EXPECT_EQ(GetParam().of(member), GetParam().of(world.rank().value));
  // Ranks that share nothing exchange messages, unless somebody wants domains of one.
  const bool apart = std::ssize(hosts) == world.size().value && world.size().value > 1;
  const auto other = HostDomain::meet(world, {std::to_string(GetParam().of(world.rank().value))});
  EXPECT_EQ(other == nullptr, apart);
}

TEST_P(SharedExchangeOn, AveragesToTheBitsOfMessages) {
  for (int count = std::max(1, world.size().value); count <= 9; ++count) {
    Training messages(world, count, nullptr, {}), shared(world, count, domain.get(), {});
    for (int step = 1; step <= 3; ++step) {
      messages.reduce(step);
      shared.reduce(step);
      EXPECT_EQ(shared.exchange->loss(), messages.exchange->loss());
      EXPECT_EQ(shared.exchange->norm(), messages.exchange->norm());
      messages.exchange->average();
      shared.exchange->average();
      for (std::size_t i = 0; i < shared.arena.trainable().size(); ++i) {
        const torch::Tensor& ours = shared.arena.trainable_tensors()[i].grad();
        const torch::Tensor& theirs = messages.arena.trainable_tensors()[i].grad();
        ASSERT_EQ(ours.defined(), shared.arena.trainable()[i].name != "unused");
        if (!ours.defined()) continue;
        EXPECT_TRUE(torch::equal(ours, theirs)) << count << " micro-batches";
      }
      EXPECT_TRUE(torch::equal(shared.net.mean, messages.net.mean));
    }
  }
}

TEST_P(SharedExchangeOn, UpdatesOneCopyToTheBitsOfMessages) {
  for (const std::string type : {"adamw", "adam", "sgd"}) {
    OptimOptions optim;
    optim.type = type;
    if (type == "sgd") optim.momentum = 0.9;
    const int count = world.size().value + 2;
    Training messages(world, count, nullptr, optim), shared(world, count, domain.get(), optim);
    EXPECT_EQ(shared.exchange->share_state(shared.arena, *shared.optimizer),
              domain->domains().size() == 1 ? StateCopies::kOne : StateCopies::kOfEachDomain);
    for (int step = 1; step <= 4; ++step) {
      messages.reduce(step);
      shared.reduce(step);
      if (step == 2) {  // a step that makes no update leaves no trace
        messages.exchange->leave();
        shared.exchange->leave();
        continue;
      }
      const UpdateRate rate{1e-2, step == 3 ? clip_scale(shared.exchange->norm(), 0.5) : 1};
      messages.exchange->apply(messages.optimizer.get(), rate);
      shared.exchange->apply(shared.optimizer.get(), rate);
      EXPECT_TRUE(torch::equal(shared.arena.values(), messages.arena.values())) << type << " step " << step;
    }
    for (std::size_t i = 0; i < shared.optimizer->slots().size(); ++i)
      EXPECT_TRUE(torch::equal(shared.optimizer->slots()[i].flat, messages.optimizer->slots()[i].flat));
    EXPECT_EQ(shared.optimizer->steps(), messages.optimizer->steps());
    domain->barrier("compared");
  }
}

// As an optimizer of the program's own does, which has no parts.
TEST_P(SharedExchangeOn, UpdatesACopyOfEachRankToTheBitsOfMessages) {
  const int count = world.size().value + 2;
  Training messages(world, count, nullptr, {}), shared(world, count, domain.get(), {});
  for (int step = 1; step <= 4; ++step) {
    messages.reduce(step);
    shared.reduce(step);
    const UpdateRate rate{1e-2, step == 3 ? clip_scale(shared.exchange->norm(), 0.5) : 1};
    messages.exchange->apply(messages.optimizer.get(), rate);
    shared.exchange->apply(shared.optimizer.get(), rate);
    EXPECT_TRUE(torch::equal(shared.arena.values(), messages.arena.values())) << " step " << step;
  }
  domain->barrier("compared");
}

TEST_P(SharedExchangeOn, HasWithShardedStateThePartsItsRanksUpdateAndFetchesTheRest) {
  OptimOptions optim;
  const int count = world.size().value + 2;
  Training messages(world, count, nullptr, optim), shared(world, count, domain.get(), optim, true);
  shared.exchange->share_state(shared.arena, *shared.optimizer);
  for (int step = 1; step <= 4; ++step) {
    messages.reduce(step);
    shared.reduce(step);
    EXPECT_EQ(shared.exchange->loss(), messages.exchange->loss());
    const UpdateRate rate{1e-2, step == 3 ? clip_scale(shared.exchange->norm(), 0.5) : 1};
    if (step == 3) {
      EXPECT_EQ(shared.exchange->norm(), messages.exchange->norm());
    }
    messages.exchange->apply(messages.optimizer.get(), rate);
    shared.exchange->apply(shared.optimizer.get(), rate);
    EXPECT_TRUE(torch::equal(shared.arena.values(), messages.arena.values())) << " step " << step;
  }
  PartedSlots* const parted = shared.exchange->parted_slots();
  ASSERT_EQ(parted != nullptr, domain->domains().size() > 1);
  if (parted == nullptr) return;
  domain->barrier("updated");
  const torch::Tensor slot = parted->slots()[1];
  const std::size_t own = resident_bytes(slot);
  EXPECT_LT(own, slot.nbytes());
  domain->barrier("looked");
  // All of it on rank 0, as for a checkpoint in one file.
  std::vector<std::vector<PartedSlots::Part>> wanted(static_cast<std::size_t>(world.size().value));
  for (std::size_t i = 0; i < 2; ++i) wanted[0].push_back({i, {0, slot.numel()}});
  parted->fetch(wanted);
  for (std::size_t i = 0; i < 2 && world.is_root(); ++i) {
    EXPECT_TRUE(torch::equal(parted->slots()[i], messages.optimizer->slots()[i].flat)) << "slot " << i;
  }
  parted->drop();
  domain->barrier("dropped");
  EXPECT_EQ(resident_bytes(slot), own);
  domain->barrier("looked again");
  // A restore fills all; what others update goes again.
  slot.fill_(7);
  domain->barrier("filled");
  shared.exchange->state_was_written();
  domain->barrier("dropped again");
  EXPECT_EQ(resident_bytes(slot), own);
  domain->barrier("looked");
}

TEST_F(SharedExchange, LetsGoOfWhatEachRankHadBefore) {
  ASSERT_TRUE(keep_tensors());
  Training shared(world, world.size().value, domain.get(), {});
  const std::size_t before = kept_tensors()->use().in_use;
  ASSERT_EQ(shared.exchange->share_state(shared.arena, *shared.optimizer), StateCopies::kOne);
  const std::size_t state = 3 * shared.arena.trainable_values().nbytes();  // with Adam's two slots
  EXPECT_EQ(before - kept_tensors()->use().in_use >= state, world.size().value > 1);
  stop_keeping_tensors();
}

TEST_F(SharedExchange, KeepsParametersInCommonAndBuffersApart) {
  Training shared(world, world.size().value, domain.get(), {});
  ASSERT_EQ(shared.exchange->share_state(shared.arena, *shared.optimizer), StateCopies::kOne);
  const torch::NoGradGuard no_grad;
  const bool is_last = world.rank().value + 1 == world.size().value;
  shared.net.mean.fill_(world.rank().value);
  if (is_last) shared.net.a->weight[0][0].fill_(42);
  domain->barrier("written");
  EXPECT_EQ(shared.net.a->weight[0][0].item<float>(), 42);
  EXPECT_EQ(shared.net.mean[0].item<float>(), world.rank().value);
  domain->barrier("read");
}

}  // namespace
}  // namespace lockstep
