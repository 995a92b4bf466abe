// SPDX-License-Identifier: Apache-2.0
#include "supervise/slurm/command.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "base/descriptor.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

constexpr int kNotFound = 127;

// In the child. Its signals are as a program expects them, whatever this process does with its own.
[[noreturn]] void become(char* const* arguments, int output) {
  for (int signal = 1; signal < NSIG; ++signal) std::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::dup2(::open("/dev/null", O_RDONLY), 0);
  ::dup2(output, 1);
  ::dup2(output, 2);
  ::execvp(arguments[0], arguments);
  ::_exit(kNotFound);
}

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> piece;
  for (;;) {
    const ssize_t got = retry_interrupted([&] { return ::read(fd, piece.data(), piece.size()); });
    if (got <= 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

CommandResult run_command(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::array<int, 2> ends{};
  const bool piped = ::pipe2(ends.data(), O_CLOEXEC) == 0;
  const pid_t child = piped ? ::fork() : -1;
  if (child == 0) become(arguments.data(), ends[1]);
  if (!piped || child < 0)
    throw Fault(ExitCode::kCannotStart, words[0] + " cannot be started: no pipe or no process to be had",
                "Raise the limits of open files and processes (ulimit -n, -u)");
  ::close(ends[1]);
  const Descriptor out(ends[0]);
  CommandResult result{0, read_all(out.get())};
  int status = 0;
  retry_interrupted([&] { return ::waitpid(child, &status, 0); });
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace lockstep
