// SPDX-License-Identifier: Apache-2.0
#include "supervise/signal_inbox.h"

#include <sys/signalfd.h>

#include <csignal>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

constexpr int kAsked[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP};

int open_inbox() {
  sigset_t asked;
  ::sigemptyset(&asked);
  for (const int signal : kAsked) ::sigaddset(&asked, signal);
  ::sigprocmask(SIG_BLOCK, &asked, nullptr);
  // Ignored by a batch script's first line; blocked now, so that they can do no harm.
  for (const int signal : {SIGUSR1, SIGTERM}) std::signal(signal, SIG_DFL);
  std::signal(SIGPIPE, SIG_IGN);
  return ::signalfd(-1, &asked, SFD_NONBLOCK | SFD_CLOEXEC);
}

}  // namespace

SignalInbox::SignalInbox() : fd_(open_inbox()) {
  if (fd_.get() < 0)
    throw Fault(ExitCode::kCannotStart, "signals cannot be read: no descriptor",
                "Raise the limit of open files (ulimit -n)");
}

std::vector<int> SignalInbox::take() {
  std::vector<int> signals;
  signalfd_siginfo one{};
  while (retry_interrupted([&] { return ::read(fd_.get(), &one, sizeof one); }) == sizeof one)
    signals.push_back(static_cast<int>(one.ssi_signo));
  return signals;
}

}  // namespace lockstep
