// SPDX-License-Identifier: Apache-2.0
#include "loop/stop_policy.h"

#include <gtest/gtest.h>

#include <unistd.h>
#include <atomic>

#include <csignal>

#include "comm/loopback/loopback_world.h"
#include "run/stop_signals.h"
#include "support/manual_clock.h"

namespace lockstep {
namespace {

// The policy of one rank, without a journal.
struct Rank {
  Rank(World& world, const StopTimes& times = {}, const Clock& clock = real_clock())
      : policy({world, clock, reporter, times}) {}
  Reporter reporter;
  StopPolicy policy;
};

// Signals leave a mark on the process, so each case sends them in a child.
int all_agree(int ranks, Wish expected, const StopTimes& times = {}) {
  std::atomic<int> agreeing{0};
  run_loopback(WorldSize(ranks), [&](World& world) {
    if (Rank(world, times).policy.ask(false, {}).value == expected) ++agreeing;
  });
  return agreeing == ranks ? 0 : 1;
}

TEST(StopPolicy, NobodyStopsUnasked) {
  listen_for_stop_signals();
  EXPECT_EQ(all_agree(3, Wish::kGoOn), 0);
  EXPECT_EQ(stop_signal_received(), 0);
}

TEST(StopPolicy, AllRanksStopOnceAskedAndRememberTheFirstSignal) {
  for (const int number : {SIGUSR1, SIGTERM, SIGINT, SIGHUP}) {
    const auto child = [number] {
      listen_for_stop_signals();
      std::raise(number);
      std::raise(SIGTERM);
      ::_exit(stop_signal_received() == number ? all_agree(3, Wish::kStop) : 2);
    };
    EXPECT_EXIT(child(), ::testing::ExitedWithCode(0), "") << number;
  }
}

TEST(StopPolicy, AllRanksSaveNowWhenOneIsAskedToAndOnlyOnce) {
  const auto child = [] {
    listen_for_stop_signals();
    std::raise(SIGUSR2);
    const int first = all_agree(3, Wish::kSaveNow);
    std::raise(SIGUSR2);  // another rank hears the same request a little later
    ::_exit(first + all_agree(3, Wish::kGoOn));
  };
  EXPECT_EXIT(child(), ::testing::ExitedWithCode(0), "");
}

TEST(StopPolicy, OnlyTheClockOfRankZeroAsksForASave) {
  for (const int asking : {0, 1, 2})
    run_loopback(WorldSize(3), [&](World& world) {
      const Wish expected = asking == 0 ? Wish::kSave : Wish::kGoOn;
      EXPECT_EQ(Rank(world).policy.ask(world.rank().value == asking, {}).value, expected);
    });
}

TEST(StopPolicy, StopsByItselfBeforeTheEndOfTheJobByTheMeasureOfItsStepsAndSaves) {
  ManualClock clock;
  SaveTimes saves;
  saves.took(40);
  run_loopback(WorldSize(2), [&](World& world) {
    Rank rank(world, {.end_time = 1000}, clock);
    const auto asks = [&] { return rank.policy.ask(false, saves).value; };
    const auto turn = [&](int seconds) {
      together(world, [] {});
      if (world.is_root()) clock.advance(std::chrono::seconds(seconds));
      together(world, [] {});
    };
    rank.policy.begin_step(Step(1), saves);
    turn(100);
    rank.policy.begin_step(Step(2), saves);
    EXPECT_EQ(asks(), Wish::kGoOn);
    turn(640);
    EXPECT_EQ(asks(), Wish::kGoOn);  // 260 s left, and two steps, a save and the leaving take 255
    turn(10);
    EXPECT_EQ(asks(), Wish::kStop);
    // The save fits, and by the time of the job, not of a signal.
    EXPECT_EQ(rank.policy.choose({}, saves).value, StopSave::kSave);
    EXPECT_NEAR(rank.policy.seconds_left(), 250, 1);
  });
}

TEST(StopPolicy, AnEndThatHasPassedIsNoReasonToStop) {
  EXPECT_EQ(all_agree(2, Wish::kGoOn, {.end_time = 1000}), 0);
}

TEST(StopPolicy, TheShortestTimeOfAnyRankDecidesAndAllChooseTheSame) {
  const auto child = [] {
    listen_for_stop_signals();
    limit_stops({.grace_s = 2});
    std::raise(SIGTERM);
    SaveTimes saves;
    saves.took(3);
    std::atomic<int> late{0};
    run_loopback(WorldSize(3), [&](World& world) {
      Rank rank(world);
      const SaveTimes mine = world.is_root() ? saves : SaveTimes();
      if (rank.policy.choose({}, mine).value == StopSave::kTooLate) ++late;
    });
    ::_exit(late == 3 ? 0 : 1);
  };
  EXPECT_EXIT(child(), ::testing::ExitedWithCode(0), "");
}

// nohup, and a job in the background of a shell.
TEST(StopPolicy, WhatTheParentIgnoresStaysIgnored) {
  for (const int number : {SIGUSR1, SIGTERM, SIGINT, SIGHUP}) {
    const auto child = [number] {
      std::signal(number, SIG_IGN);
      listen_for_stop_signals();
      for (int i = 0; i < 3; ++i) std::raise(number);
      ::_exit(stop_signal_received() == 0 ? 0 : 2);
    };
    EXPECT_EXIT(child(), ::testing::ExitedWithCode(0), "") << number;
  }
}

TEST(StopPolicy, WhatTheParentBlocksIsHeard) {
  const auto child = [] {
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, nullptr);
    listen_for_stop_signals();
    ::kill(::getpid(), SIGTERM);
    ::_exit(stop_signal_received() == SIGTERM ? 0 : 2);
  };
  EXPECT_EXIT(child(), ::testing::ExitedWithCode(0), "");
}

TEST(StopPolicy, AWriterWhoseReaderEndedLives) {
  const auto child = [] {
    listen_for_stop_signals();
    int ends[2];
    if (::pipe(ends) != 0) ::_exit(3);
    ::close(ends[0]);
    ::_exit(::write(ends[1], "x", 1) < 0 ? 0 : 2);
  };
  EXPECT_EXIT(child(), ::testing::ExitedWithCode(0), "");
}

TEST(StopPolicy, ThirdInterruptEndsAtOnceAndNoOtherSignalDoes) {
  const auto child = [](int number) {
    listen_for_stop_signals();
    for (int i = 0; i < 3; ++i) std::raise(number);
    ::_exit(0);
  };
  EXPECT_EXIT(child(SIGINT), ::testing::ExitedWithCode(128 + SIGINT), "");
  for (const int number : {SIGTERM, SIGUSR1, SIGHUP})
    EXPECT_EXIT(child(number), ::testing::ExitedWithCode(0), "") << number;
}

}  // namespace
}  // namespace lockstep
