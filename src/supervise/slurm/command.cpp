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
[[noreturn]] void become(char* const* arguments, const Outputs& outputs) {
  for (int signal = 1; signal < NSIG; ++signal) std::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::dup2(::open("/dev/null", O_RDONLY), 0);
  ::dup2(outputs.out, 1);
  ::dup2(outputs.err, 2);
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

Fault cannot_start(const std::string& program) {
  return Fault(ExitCode::kCannotStart, program + " cannot be started: no pipe or no process to be had",
               "Raise the limits of open files and processes (ulimit -n, -u)");
}

pid_t start_program(const std::vector<std::string>& words, const Outputs& outputs) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) become(arguments.data(), outputs);
  if (child < 0) throw cannot_start(words[0]);
  return child;
}

CommandResult run_command(const std::vector<std::string>& words) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw cannot_start(words[0]);
  const Descriptor out(ends[0]);
  Descriptor in(ends[1]);
  const pid_t child = start_program(words, {in.get(), in.get()});
  ::close(in.release());
  CommandResult result{0, read_all(out.get())};
  int status = 0;
  retry_interrupted([&] { return ::waitpid(child, &status, 0); });
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace lockstep
