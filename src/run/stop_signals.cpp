// SPDX-License-Identifier: Apache-2.0
#include "run/stop_signals.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>

#include "base/signal_text.h"

namespace lockstep {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr int kLastInterrupt = 3;

// Written by a signal handler: that is why it is process-wide. Times are of the monotonic clock, 0: not yet.
struct Requests {
  std::atomic<int> first_signal{0};
  std::atomic<int> interrupts{0};
  std::atomic<std::int64_t> term_at{0};  // the first TERM or HUP
  std::atomic<std::int64_t> usr1_at{0};
  std::atomic<std::int64_t> save_at{0};  // the last USR2
  std::atomic<std::int64_t> save_granted_at{0};
  std::atomic<bool> save_wanted{false};
  std::atomic<bool> answers{false};
  std::atomic<std::int64_t> answered_at{0};
};
Requests requests;

struct Wait {
  std::atomic<StopWait> what{StopWait::kStartUp};
  std::atomic<std::int64_t> step{0};
  std::atomic<std::int64_t> save_ms{0};
};
Wait wait;
StopTimes limits;

std::int64_t time_of(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}
std::int64_t now() {
  return time_of(CLOCK_MONOTONIC);
}

void set_once(std::atomic<std::int64_t>& when, std::int64_t value) {
  std::int64_t none = 0;
  when.compare_exchange_strong(none, value);
}

// A terminal that is gone is no reason not to save.
void say(const SignalText& text) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

void add_save_time(SignalText& text) {
  const std::int64_t ms = wait.save_ms.load();
  if (ms > 0) text.add(" (earlier ones took ").add_thousandths(ms).add(" s)");
}

void say_wait(SignalText& text) {
  const std::int64_t step = wait.step.load();
  switch (wait.what.load()) {
    case StopWait::kStartUp:
      text.add("waiting for the start-up to end");
      break;
    case StopWait::kStep:
      text.add("waiting for step ").add(step).add(" to end, then for its save");
      add_save_time(text);
      break;
    case StopWait::kSave:
      text.add("waiting for the save of step ").add(step);
      add_save_time(text);
  }
}

void answer(int number, bool first, int interrupts, std::int64_t at) {
  if (!requests.answers.load()) return;
  const bool person = number == SIGINT;
  // What a batch system sends in one breath is answered once; a person is answered each time.
  const std::int64_t last = requests.answered_at.load();
  if (!first && !person && last != 0 && at - last < kSecond) return;
  requests.answered_at.store(at);
  SignalText text;
  text.add("lockstep: ").add(first ? "asked to stop, saves first: " : "asked to stop before: ");
  say_wait(text);
  if (person && interrupts == 1) text.add(". Ctrl-C two more times leaves at once");
  if (person && interrupts == 2) text.add(". Ctrl-C once more leaves at once, without that save");
  text.add("\n");
  say(text);
}

void on_stop(int number) {
  const int error = errno;
  const std::int64_t at = now();
  int none = 0;
  const bool first = requests.first_signal.compare_exchange_strong(none, number);
  if (number == SIGTERM || number == SIGHUP) set_once(requests.term_at, at);
  if (number == SIGUSR1) set_once(requests.usr1_at, at);
  const int interrupts = number == SIGINT ? requests.interrupts.fetch_add(1) + 1 : 0;
  if (interrupts >= kLastInterrupt) {
    if (requests.answers.load())
      say(SignalText().add("lockstep: asked a third time: left at once; the newest checkpoint stays\n"));
    ::_exit(128 + number);
  }
  answer(number, first, interrupts, at);
  errno = error;
}

void on_save(int) {
  const int error = errno;
  requests.save_at.store(now());
  requests.save_wanted.store(true);
  errno = error;
}

double seconds_until(std::int64_t monotonic) {
  return static_cast<double>(monotonic - now()) / kSecond;
}

std::optional<double> left_until_end() {
  if (!limits.end_time) return std::nullopt;
  return *limits.end_time - static_cast<double>(time_of(CLOCK_REALTIME)) / kSecond;
}

std::optional<double> left_of_grace(const std::atomic<std::int64_t>& since) {
  if (!limits.grace_s || since.load() == 0) return std::nullopt;
  return seconds_until(since.load() + std::llround(*limits.grace_s * kSecond));
}

std::optional<double> smaller(std::optional<double> a, std::optional<double> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

}  // namespace

void listen_for_stop_signals() {
  struct sigaction action {};
  action.sa_flags = SA_RESTART;
  sigset_t heard;
  ::sigemptyset(&heard);
  for (const int number : {SIGUSR1, SIGTERM, SIGINT, SIGHUP, SIGUSR2}) {
    struct sigaction inherited {};
    ::sigaction(number, nullptr, &inherited);
    ::sigaddset(&heard, number);
    if (inherited.sa_handler == SIG_IGN) continue;
    action.sa_handler = number == SIGUSR2 ? on_save : on_stop;
    ::sigaction(number, &action, nullptr);
  }
  ::pthread_sigmask(SIG_UNBLOCK, &heard, nullptr);
  ::signal(SIGXFSZ, SIG_IGN);
  ::signal(SIGPIPE, SIG_IGN);
}

void answer_stop_signals() {
  requests.answers.store(true);
  // One that came before it could be answered.
  const int number = requests.first_signal.load();
  if (number != 0) answer(number, /*first=*/true, requests.interrupts.load(), now());
}

void limit_stops(const StopTimes& times) {
  limits = times;
}

int stop_signal_received() {
  return requests.first_signal.load();
}

std::optional<double> stop_seconds_left() {
  if (stop_signal_received() == 0) return std::nullopt;
  std::optional<double> left = left_of_grace(requests.term_at);
  // An end that has passed says nothing: the TERM of a time limit comes behind it.
  if (const auto end = left_until_end(); end && *end > 0) left = smaller(left, end);
  if (!left) left = left_of_grace(requests.usr1_at);
  if (left) left = std::max(*left, 0.0);
  return left;
}

bool take_save_request() {
  if (!requests.save_wanted.exchange(false)) return false;
  const std::int64_t granted = requests.save_granted_at.load();
  return granted == 0 || requests.save_at.load() - granted >= kSecond;
}

void note_save_granted() {
  requests.save_granted_at.store(now());
}

void note_stop_wait(StopWait what, std::int64_t step, double save_s) {
  wait.step.store(step);
  wait.save_ms.store(std::llround(save_s * 1000));
  wait.what.store(what);
}

}  // namespace lockstep
