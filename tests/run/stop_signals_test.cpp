// SPDX-License-Identifier: Apache-2.0
#include "run/stop_signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <functional>

namespace lockstep {
namespace {

// Signals leave a mark on the process, so each case sends them in a child: what it is left with.
void expect_exit(int code, const std::function<int()>& child, const char* said = "") {
  const auto listening = [&] {
    listen_for_stop_signals();
    answer_stop_signals();
    ::_exit(child());
  };
  EXPECT_EXIT(listening(), ::testing::ExitedWithCode(code), said);
}

bool between(std::optional<double> seconds, double low, double high) {
  return seconds && *seconds > low && *seconds <= high;
}

double now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return static_cast<double>(time.tv_sec);
}

TEST(StopSignals, WhatABatchSystemSendsInOneBreathIsOneRequestAndTakesNothingBack) {
  const auto child = [] {
    for (int i = 0; i < 3; ++i)
      for (const int number : {SIGTERM, SIGCONT, SIGTERM, SIGUSR1, SIGHUP}) ::raise(number);
    return stop_signal_received() == SIGTERM ? 0 : 2;
  };
  expect_exit(0, child, "^lockstep: asked to stop, saves first: waiting for the start-up to end\n$");
}

TEST(StopSignals, ContAloneAsksNothing) {
  expect_exit(0, [] {
    ::raise(SIGCONT);
    return stop_signal_received();
  });
}

TEST(StopSignals, TheSecondInterruptIsToldWhatIsWaitedForAndTheThirdLeaves) {
  const auto child = [] {
    note_stop_wait(StopWait::kStep, 41, 12.34);
    ::raise(SIGINT);
    note_stop_wait(StopWait::kSave, 41, 12.34);
    ::raise(SIGINT);
    ::raise(SIGINT);
    return 0;
  };
  expect_exit(130, child,
              "asked to stop, saves first: waiting for step 41 to end, then for its save "
              "\\(earlier ones took 12.3 s\\). Ctrl-C two more times leaves at once\n"
              "lockstep: asked to stop before: waiting for the save of step 41 .*"
              "Ctrl-C once more leaves at once, without that save\n"
              "lockstep: asked a third time: left at once");
}

TEST(StopSignals, OtherSignalsDoNotBringAnInterruptNearerToLeaving) {
  expect_exit(0, [] {
    ::raise(SIGINT);
    for (int i = 0; i < 5; ++i) ::raise(SIGTERM);
    ::raise(SIGINT);
    return stop_signal_received() == SIGINT ? 0 : 2;
  });
}

TEST(StopSignals, ARequestFromBeforeItCouldBeAnsweredIsAnswered) {
  const auto child = [] {
    listen_for_stop_signals();
    ::raise(SIGUSR1);
    answer_stop_signals();
    ::_exit(0);
  };
  EXPECT_EXIT(child(), ::testing::ExitedWithCode(0), "^lockstep: asked to stop, saves first: waiting");
}

TEST(StopSignals, EachKindOfRequestHasItsOwnTime) {
  expect_exit(0, [] {
    limit_stops({.grace_s = 5, .end_time = now() + 100});
    if (stop_seconds_left()) return 2;
    ::raise(SIGUSR1);
    if (!between(stop_seconds_left(), 98, 101)) return 3;
    ::raise(SIGTERM);
    return between(stop_seconds_left(), 4, 5) ? 0 : 4;
  });
  // No end is known, as under mpirun: what the supervisor gives counts from its USR1.
  expect_exit(0, [] {
    limit_stops({.grace_s = 5});
    ::raise(SIGUSR1);
    return between(stop_seconds_left(), 4, 5) ? 0 : 2;
  });
  // A person waits as long as it takes.
  expect_exit(0, [] {
    limit_stops({.grace_s = 5});
    ::raise(SIGINT);
    return stop_seconds_left() ? 2 : 0;
  });
  // The TERM of a time limit comes when the end has passed.
  expect_exit(0, [] {
    limit_stops({.grace_s = 5, .end_time = now() - 1});
    ::raise(SIGTERM);
    return between(stop_seconds_left(), 4, 5) ? 0 : 2;
  });
}

TEST(StopSignals, AskingAgainDoesNotMoveTheEnd) {
  expect_exit(0, [] {
    limit_stops({.grace_s = 5});
    ::raise(SIGTERM);
    ::usleep(100'000);
    ::raise(SIGTERM);
    return between(stop_seconds_left(), 4, 4.95) ? 0 : 2;
  });
}

TEST(StopSignals, Usr2AsksForASaveOnceAndNotToStop) {
  expect_exit(0, [] {
    if (take_save_request()) return 2;
    ::raise(SIGUSR2);
    ::raise(SIGUSR2);
    if (!take_save_request()) return 3;
    note_save_granted();
    ::raise(SIGUSR2);  // heard a little later than by another rank
    if (take_save_request()) return 4;
    ::usleep(1'100'000);
    ::raise(SIGUSR2);
    if (!take_save_request()) return 5;
    return stop_signal_received();
  });
}

}  // namespace
}  // namespace lockstep
