// SPDX-License-Identifier: Apache-2.0
#include "run/stop_signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace lockstep {
namespace {

// Written by a signal handler: that is why they are process-wide.
std::atomic<int> signals_received{0};
std::atomic<int> first_signal{0};

std::atomic<bool> answers{false};
constexpr char kAnswer[] =
    "lockstep: asked to stop: saving after this step (a third request ends it at once)\n";

void on_signal(int number) {
  const int error = errno;
  int none = 0;
  if (first_signal.compare_exchange_strong(none, number) && answers.load())
      // A terminal that is gone is no reason not to save.
      [[maybe_unused]]
    const ssize_t written = ::write(STDERR_FILENO, kAnswer, sizeof kAnswer - 1);
  errno = error;
  if (signals_received.fetch_add(1) + 1 >= 3) ::_exit(128 + number);
}

}  // namespace

void listen_for_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigset_t heard;
  ::sigemptyset(&heard);
  for (const int number : {SIGUSR1, SIGTERM, SIGINT, SIGHUP}) {
    struct sigaction inherited {};
    ::sigaction(number, nullptr, &inherited);
    if (inherited.sa_handler == SIG_IGN) continue;
    ::sigaction(number, &action, nullptr);
    ::sigaddset(&heard, number);
  }
  ::pthread_sigmask(SIG_UNBLOCK, &heard, nullptr);
  ::signal(SIGXFSZ, SIG_IGN);
  ::signal(SIGPIPE, SIG_IGN);
}

void answer_stop_signals() {
  answers.store(true);
}

int stop_signal_received() {
  return first_signal.load();
}

}  // namespace lockstep
