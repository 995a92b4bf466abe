// SPDX-License-Identifier: Apache-2.0
#include "loop/standard_streams.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

constexpr int kSigpipeCode = 128 + SIGPIPE;

void unblock(int number) {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, number);
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

// Where the parent ignores SIGPIPE, write() says EPIPE: the same end.
[[noreturn]] void end_by_broken_pipe() {
  ::signal(SIGPIPE, SIG_DFL);
  unblock(SIGPIPE);
  ::raise(SIGPIPE);
  std::_Exit(kSigpipeCode);
}

[[noreturn]] void refuse_output(int error) {
  if (error == EPIPE) end_by_broken_pipe();
  throw Fault(
      ExitCode::kStorage,
      fmt::format("standard output cannot be written: {}", error == 0 ? "it failed" : std::strerror(error)),
      "What was printed is not complete: make room where it goes, and start the command again");
}

}  // namespace

void take_standard_streams() {
  // The wrong direction on purpose: reading and writing fail with EBADF, as on a closed descriptor.
  for (const int fd : {0, 1, 2}) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    if (::open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0) std::_Exit(static_cast<int>(ExitCode::kBug));
  }
  // A file longer than the limit (ulimit -f) is an error of write(), with a message.
  ::signal(SIGXFSZ, SIG_IGN);
  struct sigaction child {};
  if (::sigaction(SIGCHLD, nullptr, &child) == 0 && child.sa_handler == SIG_IGN) ::signal(SIGCHLD, SIG_DFL);
  unblock(SIGCHLD);
}

void print_error(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(nullptr);
}

void print(const std::string& text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) refuse_output(errno);
}

void finish_output() {
  errno = 0;
  // An earlier failure, as one of std::cout's, has no errno any more.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) refuse_output(errno);
}

bool try_print(const std::string& text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  const bool sent = std::fflush(stdout) == 0;
  if (!written || !sent) std::clearerr(stdout);
  return written && sent;
}

}  // namespace lockstep
