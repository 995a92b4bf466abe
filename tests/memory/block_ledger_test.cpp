// SPDX-License-Identifier: Apache-2.0
#include "memory/block_ledger.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/aligned_block.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

constexpr std::size_t kPage = kDirectAlignment;
constexpr std::size_t kRange = 64 * kChunk;

std::size_t taken(BlockLedger& ledger, std::size_t bytes) {
  const auto block = ledger.take(bytes);
  EXPECT_TRUE(block.has_value());
  return block ? block->offset : 0;
}

TEST(BlockLedger, GivesWholePagesFromTheLowEndOn) {
  BlockLedger ledger(kRange);
  EXPECT_EQ(taken(ledger, kPage + 1), 0u);
  EXPECT_EQ(taken(ledger, 1), 2 * kPage);
  EXPECT_EQ(taken(ledger, kPage), 3 * kPage);
  EXPECT_EQ(ledger.in_use(), 4 * kPage);
}

TEST(BlockLedger, GivesABlockThatWasGivenBackBeforeAnyOther) {
  BlockLedger ledger(kRange);
  taken(ledger, 3 * kPage);
  const std::size_t middle = taken(ledger, 5 * kPage);
  taken(ledger, kPage);
  ledger.give(middle);
  EXPECT_EQ(taken(ledger, 5 * kPage), middle);
}

TEST(BlockLedger, TakesTheSmallestRunThatIsLongEnough) {
  BlockLedger ledger(kRange);
  const std::size_t large = taken(ledger, 9 * kPage);
  taken(ledger, kPage);
  const std::size_t small = taken(ledger, 4 * kPage);
  taken(ledger, kPage);
  ledger.give(large);
  ledger.give(small);
  EXPECT_EQ(taken(ledger, 3 * kPage), small);
  EXPECT_EQ(taken(ledger, 8 * kPage), large);
}

TEST(BlockLedger, JoinsNeighboursInWhateverOrderTheyComeBack) {
  for (const auto& order :
       {std::array{0, 1, 2}, std::array{2, 1, 0}, std::array{0, 2, 1}, std::array{1, 0, 2}}) {
    BlockLedger ledger(kRange);
    std::array<std::size_t, 3> blocks{};
    for (std::size_t& block : blocks) block = taken(ledger, 7 * kPage);
    for (const int which : order) ledger.give(blocks.at(static_cast<std::size_t>(which)));
    EXPECT_EQ(ledger.idle_runs(), 1u);
    EXPECT_EQ(taken(ledger, kRange), 0u);
  }
}

TEST(BlockLedger, SaysWhenItIsFullAndStaysAsItWas) {
  BlockLedger ledger(kRange);
  taken(ledger, kRange - kPage);
  EXPECT_FALSE(ledger.take(2 * kPage));
  EXPECT_FALSE(ledger.take(~std::size_t{0}));
  EXPECT_FALSE(ledger.take(0));
  EXPECT_EQ(ledger.in_use(), kRange - kPage);
  taken(ledger, kPage);
  EXPECT_FALSE(ledger.take(1));
}

TEST(BlockLedger, RefusesABlockThatNobodyTook) {
  BlockLedger ledger(kRange);
  const std::size_t block = taken(ledger, 2 * kPage);
  EXPECT_THROW(ledger.give(block + kPage), Bug);
  ledger.give(block);
  EXPECT_THROW(ledger.give(block), Bug);
}

TEST(BlockLedger, RetiresIdleChunksFromTheHighestOnAndNoOthers) {
  BlockLedger ledger(kRange);
  const std::size_t low = taken(ledger, 4 * kChunk);
  taken(ledger, kPage);  // a chunk is shared by it and what follows
  const std::size_t high = taken(ledger, 4 * kChunk);
  EXPECT_EQ(ledger.touched(), 9 * kChunk);
  EXPECT_TRUE(ledger.retire(kRange).empty());
  ledger.give(low);
  ledger.give(high);
  const auto first = ledger.retire(3 * kChunk);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].offset, 6 * kChunk);
  EXPECT_EQ(first[0].bytes, 3 * kChunk);
  ledger.retire(kRange);
  EXPECT_EQ(ledger.touched(), kChunk);
  EXPECT_TRUE(ledger.retire(kRange).empty());
}

TEST(BlockLedger, RetiresWhatNobodyHasHadOfLate) {
  BlockLedger ledger(kRange);
  const std::size_t old = taken(ledger, 2 * kChunk);
  const std::size_t pin = taken(ledger, 2 * kChunk);
  const std::size_t late = taken(ledger, 2 * kChunk);
  ledger.give(old);
  for (int step = 0; step < 5; ++step) ledger.next_step();
  ledger.give(late);  // until now somebody had it
  EXPECT_TRUE(ledger.retire(kRange, 6).empty());
  const auto gone = ledger.retire(kRange, 5);
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].offset, old);
  EXPECT_EQ(ledger.touched(), 4 * kChunk);
  ledger.give(pin);
}

TEST(BlockLedger, PrefersARunWhosePagesAreThere) {
  BlockLedger ledger(kRange);
  const std::size_t warm = taken(ledger, 3 * kChunk);
  taken(ledger, kChunk);
  const std::size_t cold = taken(ledger, 2 * kChunk);
  taken(ledger, kChunk);
  ledger.give(cold);
  ledger.retire(kRange);
  ledger.give(warm);
  const auto block = ledger.take(2 * kChunk);
  ASSERT_TRUE(block);
  EXPECT_EQ(block->offset, warm);  // the other one would fit better
  EXPECT_EQ(block->fresh, 0u);
}

// A step's tensors by their sizes, given back in another order, some of them after the next step has begun.
struct Steps {
  BlockLedger ledger{1024 * kChunk};
  std::map<std::size_t, std::size_t> kept;  // offset, length: what outlives its step
  std::size_t peak = 0;
  std::mt19937 dice{7};

  void run(const std::vector<std::size_t>& sizes) {
    std::map<std::size_t, std::size_t> live;
    for (const std::size_t size : sizes) {
      const auto block = ledger.take(size);
      ASSERT_TRUE(block.has_value());
      for (const auto* others : {&live, &kept}) {
        const auto next = others->lower_bound(block->offset);
        ASSERT_TRUE(next == others->end() || next->first >= block->offset + size);
        ASSERT_TRUE(next == others->begin() ||
                    std::prev(next)->first + std::prev(next)->second <= block->offset);
      }
      live[block->offset] = size;
      peak = std::max(peak, ledger.in_use());
      if (dice() % 2 == 0) {
        const auto victim = std::next(live.begin(), static_cast<std::ptrdiff_t>(dice() % live.size()));
        ledger.give(victim->first);
        live.erase(victim);
      }
    }
    for (const auto& [offset, size] : kept) ledger.give(offset);
    kept.clear();
    for (const auto& [offset, size] : live)
      if (dice() % 8 == 0)
        kept[offset] = size;
      else
        ledger.give(offset);
  }
};

TEST(BlockLedger, StaysWithinTwiceItsPeakOverAThousandStepsOfChangingShapes) {
  Steps steps;
  std::size_t after_ten = 0;
  for (int step = 1; step <= 1000; ++step) {
    // Sequences of other lengths, and batches of other sizes, in every step.
    std::vector<std::size_t> sizes;
    const std::size_t length = 1 + steps.dice() % 512;
    for (int i = 0; i < 60; ++i) sizes.push_back((64u << 10) + length * (256 << (steps.dice() % 4)));
    steps.run(sizes);
    if (HasFatalFailure()) return;
    if (step == 10) after_ten = steps.ledger.touched();
  }
  EXPECT_LE(steps.ledger.touched(), 2 * steps.peak);
  EXPECT_GT(after_ten, 0u);
}

TEST(BlockLedger, TouchesNothingNewInAStepThatRepeatsTheOneBefore) {
  BlockLedger ledger(kRange);
  std::size_t fresh_later = 0;
  for (int step = 0; step < 50; ++step) {
    std::vector<std::size_t> blocks;
    for (const std::size_t size : {700u << 10, 64u << 10, 3u << 20, 1u << 20, 65u << 10}) {
      const auto block = ledger.take(size);
      ASSERT_TRUE(block);
      blocks.push_back(block->offset);
      if (step > 0) fresh_later += block->fresh;
      if (blocks.size() == 3) ledger.give(blocks[1]);
    }
    for (const std::size_t i : {0u, 4u, 2u, 3u}) ledger.give(blocks[i]);
  }
  EXPECT_EQ(fresh_later, 0u);
}

}  // namespace
}  // namespace lockstep
