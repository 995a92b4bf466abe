// SPDX-License-Identifier: Apache-2.0
#include "comm/watch/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "comm/watch/leaving.h"
#include "comm/watch/limits.h"
#include "comm/watch/stragglers.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

RankView working(int rank, Phase phase, float seconds) {
  RankView view{rank, "n" + std::to_string(rank)};
  view.beat.phase = phase;
  view.beat.in_phase = seconds;
  view.beat.phase_limit = 10;
  view.beat.call_limit = 10;
  return view;
}

RankView waiting(int rank, const char* call, std::int64_t sequence, float seconds) {
  RankView view = working(rank, Phase::kExchange, 0);
  std::strncpy(view.beat.call.data(), call, view.beat.call.size() - 1);
  view.beat.sequence = sequence;
  view.beat.in_call = seconds;
  return view;
}

TEST(Judge, RanksWithinTheirLimitsAreLeftAlone) {
  EXPECT_FALSE(judge_ranks({working(0, Phase::kCompute, 9), waiting(1, "exchange", 7, 9)}));
}

TEST(Judge, WhoWaitsIsNotLateButWhoHasNotCome) {
  const auto verdict = judge_ranks(
      {waiting(0, "exchange", 7, 11), working(1, Phase::kData, 11), waiting(2, "exchange", 7, 11)});
  ASSERT_TRUE(verdict);
  EXPECT_THAT(verdict->culprits, ElementsAre(1));
  EXPECT_THAT(verdict->silent, ElementsAre());
  EXPECT_THAT(verdict->cause, HasSubstr("rank 1 (n1) is in data for 11.0 s"));
  EXPECT_THAT(verdict->cause, HasSubstr("rank 2 (n2) waits in exchange #7"));
}

TEST(Judge, ALongWaitForARankWithinItsOwnLimitIsNone) {
  EXPECT_FALSE(judge_ranks({waiting(0, "exchange", 7, 11), working(1, Phase::kEvaluation, 9)}));
}

TEST(Judge, ARankThatNeverComesIsFoundThoughNoPhaseOfItIsLong) {
  const auto verdict = judge_ranks({waiting(0, "exchange", 7, 31), working(1, Phase::kCompute, 0.1f)});
  ASSERT_TRUE(verdict);
  EXPECT_THAT(verdict->culprits, ElementsAre(1));
}

TEST(Judge, SilenceIsTheSilentRanksFaultWhateverItWasDoing) {
  RankView stopped = working(1, Phase::kSave, 1);
  stopped.silent_s = 61;
  const auto verdict = judge_ranks({waiting(0, "all_reduce", 7, 60), stopped});
  ASSERT_TRUE(verdict);
  EXPECT_THAT(verdict->silent, ElementsAre(1));
}

TEST(Judge, DifferentCollectivesAreNamed) {
  const auto verdict = judge_ranks({waiting(0, "all_reduce", 7, 11), waiting(1, "broadcast", 7, 11)});
  ASSERT_TRUE(verdict);
  EXPECT_THAT(verdict->cause, HasSubstr("different collectives"));
  EXPECT_THAT(verdict->culprits, ElementsAre(1));
}

// As after a long save: one has gone on, and of the other an old word is all there is yet.
TEST(Judge, ARankThatHasJustGoneOnIsNotJudgedByAnOlderWordOfAnother) {
  EXPECT_FALSE(judge_ranks({waiting(0, "all_gather", 9, 0), waiting(1, "all_reduce", 7, 11)}));
}

TEST(Judge, OneCollectiveThatDoesNotEndIsTheNetworks) {
  const auto verdict = judge_ranks({waiting(0, "all_reduce", 7, 11), waiting(1, "all_reduce", 7, 11)});
  ASSERT_TRUE(verdict);
  EXPECT_THAT(verdict->cause, HasSubstr("the network, or MPI"));
}

TEST(Judge, WaitingForTheDiskIsNoHangAndIsNamed) {
  RankView reading = working(1, Phase::kData, 15);
  reading.beat.waits_for_disk = 1;
  RankView saving = working(1, Phase::kSave, 15);
  saving.beat.phase_limit = 300;
  for (const RankView& slow : {reading, saving}) {
    EXPECT_FALSE(judge_ranks({waiting(0, "all_reduce", 7, 40), slow}));
    const auto named = slow_storage({waiting(0, "all_reduce", 7, 40), slow}, 10);
    ASSERT_TRUE(named);
    EXPECT_EQ(named->rank, 1);
  }
}

TEST(Judge, WhoHasSaidGoodbyeIsNotWatched) {
  RankView gone = working(1, Phase::kLeaving, 100);
  gone.left = true;
  gone.silent_s = 100;
  EXPECT_FALSE(judge_ranks({working(0, Phase::kLeaving, 1), gone}));
}

TEST(Limits, AreLearnedGenerouslyAboveTheFloor) {
  const PhaseLimits learned({.limit_s = 0, .floor_s = 60});
  EXPECT_EQ(learned.of_phase(Phase::kCompute, 0.1), 60);
  EXPECT_EQ(learned.of_phase(Phase::kCompute, 30), 300);
  EXPECT_EQ(learned.silence(), 60);
}

TEST(Limits, WhatHasNeverEndedYetMayTakeLonger) {
  EXPECT_EQ(PhaseLimits({.limit_s = 2}).of_phase(Phase::kCompute, 0), 60);
  EXPECT_EQ(PhaseLimits({}).of_phase(Phase::kCompute, 0), 600);
  EXPECT_EQ(PhaseLimits({.limit_s = 2}).of_phase(Phase::kStartUp, 0.5), 60);
  EXPECT_EQ(PhaseLimits({}).of_phase(Phase::kStartUp, 0.5), 1800);
}

TEST(Limits, AGivenLimitIsTheLimit) {
  const PhaseLimits given({.limit_s = 8});
  EXPECT_EQ(given.of_phase(Phase::kCompute, 30), 8);
  EXPECT_EQ(given.silence(), 8);
  EXPECT_EQ(given.of_phase(Phase::kSave, 1), 240);
}

Beat block_of(int rank, std::int64_t block, float seconds) {
  Beat beat;
  beat.rank = rank;
  beat.block = block;
  beat.block_s = seconds;
  return beat;
}

TEST(Stragglers, AreThoseSlowerThanTheMedianByHalf) {
  Stragglers stragglers(3);
  EXPECT_FALSE(stragglers.note(block_of(0, 1, 0.010f)));
  EXPECT_FALSE(stragglers.note(block_of(1, 1, 0.016f)));
  const auto worst = stragglers.note(block_of(2, 1, 0.010f));
  ASSERT_TRUE(worst);
  EXPECT_EQ(worst->rank, 1);
  EXPECT_NEAR(worst->ratio, 1.6, 0.01);
  // Beats go on saying what they said.
  EXPECT_FALSE(stragglers.note(block_of(1, 1, 0.016f)));
}

TEST(Stragglers, OfTwoRanksTheSlowerOneIsComparedWithTheFaster) {
  Stragglers stragglers(2);
  stragglers.note(block_of(0, 3, 0.010f));
  EXPECT_TRUE(stragglers.note(block_of(1, 3, 0.018f)));
  stragglers.note(block_of(0, 4, 0.010f));
  EXPECT_FALSE(stragglers.note(block_of(1, 4, 0.014f)));
}

TEST(LeaveCause, IsReadAsItWasWritten) {
  const LeaveCause cause{"rank 1: \"stopped\"\nreally", true, {1, 12}, {}};
  const LeaveCause read = LeaveCause::decode(cause.encode());
  EXPECT_EQ(read.text, cause.text);
  EXPECT_TRUE(read.hang);
  EXPECT_THAT(read.silent, ElementsAre(1, 12));
  const LeaveCause gone = LeaveCause::decode(LeaveCause{"x", false, {}, {}}.encode());
  EXPECT_FALSE(gone.hang);
  EXPECT_THAT(gone.silent, ElementsAre());
}

}  // namespace
}  // namespace lockstep
