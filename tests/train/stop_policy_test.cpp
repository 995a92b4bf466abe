// SPDX-License-Identifier: Apache-2.0
#include "train/stop_policy.h"

#include <gtest/gtest.h>

#include <unistd.h>
#include <atomic>

#include <csignal>

#include "comm/loopback/loopback_world.h"
#include "run/stop_signals.h"

namespace lockstep {
namespace {

// Signals leave a mark on the process, so each case sends them in a child.
int all_agree(int ranks, Wish expected) {
  std::atomic<int> agreeing{0};
  run_loopback(WorldSize(ranks), [&](World& world) {
    if (ask_ranks(world, false).value == expected) ++agreeing;
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

TEST(StopPolicy, OnlyTheClockOfRankZeroAsksForASave) {
  for (const int asking : {0, 1, 2})
    run_loopback(WorldSize(3), [&](World& world) {
      const Wish expected = asking == 0 ? Wish::kSave : Wish::kGoOn;
      EXPECT_EQ(ask_ranks(world, world.rank().value == asking).value, expected);
    });
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

TEST(StopPolicy, ThirdSignalEndsAtOnce) {
  const auto child = [] {
    listen_for_stop_signals();
    for (int i = 0; i < 3; ++i) std::raise(SIGINT);
    ::_exit(0);
  };
  EXPECT_EXIT(child(), ::testing::ExitedWithCode(128 + SIGINT), "");
}

}  // namespace
}  // namespace lockstep
