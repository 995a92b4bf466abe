// SPDX-License-Identifier: Apache-2.0
// Ranks that exchange messages, each with the optimizer state of its part alone: the bits of those that have
// all.
#include <gtest/gtest.h>

#include "comm/agree.h"
#include "lockstep/optim/optimizer.h"
#include "optim/clip.h"
#include "parallel/made_up_training.h"
#include "parallel/parted_slots.h"
#include "parallel/rank_cut.h"
#include "support/ranks_main.h"

namespace lockstep {
namespace {

struct Case {
  const char* name;
  OptimOptions optim;
  bool fast = false;
};

class RankSlots : public ::testing::TestWithParam<Case> {
 protected:
  RankSlots()
      : world(test_world()), count(world.size().value + 2), whole(training(false)), sharded(training(true)) {}

  std::unique_ptr<Training> training(bool is_sharded) {
    auto made = std::make_unique<Training>(
        world, ExchangePlan{.micro_batches = count, .fast = GetParam().fast, .sharded = is_sharded},
        GetParam().optim);
    EXPECT_EQ(made->exchange->share_state(made->arena, *made->optimizer), StateCopies::kOfEachRank);
    return made;
  }
  // The second makes no update, the third is clipped.
  void step(Training& training, int step) const {
    training.reduce(step);
    if (step == 2) return training.exchange->leave();
    const double scale = step == 3 ? clip_scale(training.exchange->norm(), 0.5) : 1;
    training.exchange->apply(training.optimizer.get(), {1e-2, scale});
  }
  void expect_steps_alike(int first, int last) {
    for (int number = first; number <= last; ++number) {
      step(*whole, number);
      step(*sharded, number);
      EXPECT_EQ(sharded->exchange->loss(), whole->exchange->loss());
      EXPECT_TRUE(torch::equal(sharded->arena.values(), whole->arena.values())) << "step " << number;
      EXPECT_TRUE(torch::equal(sharded->net.mean, whole->net.mean));
    }
    EXPECT_EQ(sharded->optimizer->steps(), whole->optimizer->steps());
  }
  // Of rank `to`, every element of every slot.
  std::vector<std::vector<PartedSlots::Part>> all_for(int to, const PartedSlots& slots) const {
    std::vector<std::vector<PartedSlots::Part>> wanted(static_cast<std::size_t>(world.size().value));
    for (std::size_t i = 0; i < slots.slots().size(); ++i)
      wanted[static_cast<std::size_t>(to)].push_back({i, {0, slots.slots()[i].numel()}});
    return wanted;
  }

  World& world;
  int count;
  std::unique_ptr<Training> whole, sharded;
};

INSTANTIATE_TEST_SUITE_P(Of, RankSlots,
                         ::testing::Values(Case{"AdamW", {.type = "adamw"}},
                                           Case{"Momentum", {.type = "sgd", .momentum = 0.9}},
                                           Case{"SgdWithoutSlots", {.type = "sgd"}},
                                           Case{"AdamSummedFast", {.type = "adam"}, true}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(RankSlots, GiveTheBitsOfWholeOnes) {
  expect_steps_alike(1, 5);
  EXPECT_EQ(sharded->exchange->norm(), whole->exchange->norm());
  EXPECT_EQ(sharded->exchange->parted_slots() != nullptr, world.size().value > 1);
}

TEST_P(RankSlots, TakeTheMemoryOfTheirPart) {
  PartedSlots* const slots = sharded->exchange->parted_slots();
  ASSERT_EQ(slots == nullptr, world.size().value == 1);
  if (slots == nullptr) return;
  std::size_t all = 0, live = 0;
  for (const OptimizerSlot& slot : whole->optimizer->slots()) all += slot.flat.nbytes();
  for (const OptimizerSlot& slot : sharded->optimizer->slots()) live += slot.flat.nbytes();
  EXPECT_EQ(slots->own_bytes(), live);
  // And what is left over: less than 64 elements a rank.
  EXPECT_LE(live, all / static_cast<std::size_t>(world.size().value) + 2 * 4 * 64 * 4);
  for (const torch::Tensor& place : slots->slots()) EXPECT_EQ(resident_bytes(place), 0);
}

TEST_P(RankSlots, AreFetchedForACheckpointAndDroppedAgain) {
  expect_steps_alike(1, 4);
  PartedSlots* const slots = sharded->exchange->parted_slots();
  ASSERT_EQ(slots == nullptr, world.size().value == 1);
  if (slots == nullptr) return;
  const int last = world.size().value - 1;
  for (const int to : {0, last}) {
    const auto wanted = all_for(to, *slots);
    slots->fetch(wanted);
    std::size_t there = 0;
    for (const torch::Tensor& place : slots->slots()) there += resident_bytes(place);
    // Whole pages, whose edges another part may have.
    EXPECT_NEAR(static_cast<double>(slots->bytes_to_fetch(wanted)), static_cast<double>(there), 4 * 4096);
    for (std::size_t i = 0; i < slots->slots().size() && world.rank().value == to; ++i)
      EXPECT_TRUE(torch::equal(slots->slots()[i], whole->optimizer->slots()[i].flat)) << "slot " << i;
    slots->drop();
    for (const torch::Tensor& place : slots->slots()) EXPECT_EQ(resident_bytes(place), 0);
  }
  expect_steps_alike(5, 6);
}

TEST_P(RankSlots, AreTakenOverFromARestore) {
  expect_steps_alike(1, 4);
  const auto restored = training(true);
  restored->arena.values().copy_(whole->arena.values());
  restored->optimizer->set_steps(whole->optimizer->steps());
  PartedSlots* const slots = restored->exchange->parted_slots();
  for (std::size_t i = 0; i < whole->optimizer->slots().size(); ++i) {
    const torch::Tensor place = slots == nullptr ? restored->optimizer->slots()[i].flat : slots->slots()[i];
    place.copy_(whole->optimizer->slots()[i].flat);
  }
  if (slots != nullptr) slots->take_over();
  for (std::size_t i = 0; slots != nullptr && i < slots->slots().size(); ++i)
    EXPECT_EQ(resident_bytes(slots->slots()[i]), 0);
  for (int number = 5; number <= 7; ++number) {
    step(*whole, number);
    step(*restored, number);
    EXPECT_TRUE(torch::equal(restored->arena.values(), whole->arena.values())) << "step " << number;
  }
}

TEST_P(RankSlots, GiveTheWholeMeanToWhoeverWantsIt) {
  whole->reduce(1);
  sharded->reduce(1);
  whole->exchange->average();
  sharded->exchange->average();
  for (std::size_t i = 0; i < whole->arena.trainable().size(); ++i) {
    const torch::Tensor& ours = sharded->arena.trainable_tensors()[i].grad();
    ASSERT_EQ(ours.defined(), whole->arena.trainable_tensors()[i].grad().defined());
    if (!ours.defined()) continue;
    EXPECT_TRUE(torch::equal(ours, whole->arena.trainable_tensors()[i].grad()));
  }
}

TEST(RankCut, OfLessThanALineForEachRankHasNoParts) {
  const RankCut cut({10, 10 + 3 * 64 - 1}, 3);
  EXPECT_EQ(cut.parts(), (Slice{10, 10}));
  EXPECT_EQ(cut.part_of(2), (Slice{10, 10}));
  EXPECT_EQ(cut.rest(), cut.range);
}

TEST(RankCut, IsEqualPartsOfWholeLinesAndARest) {
  const RankCut cut({0, 3 * 128 + 100}, 3);
  EXPECT_EQ(cut.part_of(0), (Slice{0, 128}));
  EXPECT_EQ(cut.part_of(2), (Slice{256, 384}));
  EXPECT_EQ(cut.rest(), (Slice{384, 484}));
}

TEST(RankSlotsOf, AnOptimizerOfTheProgramsOwnAreRefusedOnAllRanks) {
  World& world = test_world();
  const int ranks = world.size().value;
  const auto optimizer = std::make_shared<Optimizer>();
  OptimOptions own;
  own.type = "mine";
  own.own = optimizer;
  optimizer->update = [](ParameterUpdate& update) { update.parameter.sub_(update.gradient); };
  Training training(world, ExchangePlan{.micro_batches = ranks, .sharded = true}, own);
  const auto share = [&] { training.exchange->share_state(training.arena, *training.optimizer); };
  if (ranks == 1) return share();
  EXPECT_THROW(share(), AgreedFault);
}

TEST(RankSlotsOf, GradientsThatLeaveDuringBackwardAreRefusedOnAllRanks) {
  World& world = test_world();
  const int ranks = world.size().value;
  const auto make = [&] {
    return Training(world, ExchangePlan{.micro_batches = ranks, .overlap = "on", .sharded = true}, {});
  };
  if (ranks == 1) return void(make());
  EXPECT_THROW(make(), AgreedFault);
}

}  // namespace
}  // namespace lockstep
