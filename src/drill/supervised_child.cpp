// SPDX-License-Identifier: Apache-2.0
#include "drill/supervised_child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "base/descriptor.h"
#include "drill/rank_processes.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A supervisor counts requests that are further apart than a second; the third ends its ranks.
constexpr milliseconds kBetweenRequests{1200};
constexpr int kRequests = 3;
constexpr milliseconds kLastOneHas{15000};

[[noreturn]] void become(char* const* arguments, int log, pid_t parent) {
  // A terminal's Ctrl-C reaches this process; its end then reaches the child, once.
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(128 + SIGTERM);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execvp(arguments[0], arguments);
  ::_exit(127);
}

}  // namespace

SupervisedChild::SupervisedChild(const std::vector<std::string>& words, const std::string& log) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const Descriptor file(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (file.get() < 0)
    throw Fault(ExitCode::kRunDirectory, log + " cannot be written", "Give --dir a folder that can");
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) become(arguments.data(), file.get(), parent);
  if (pid_ < 0)
    throw Fault(ExitCode::kCannotStart, "no process can be had for " + words[0],
                "Raise the limit of processes (ulimit -u)");
}

std::optional<int> SupervisedChild::ended() {
  int status = 0;
  if (!code_ && retry_interrupted([&] { return ::waitpid(pid_, &status, WNOHANG); }) == pid_)
    code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return code_;
}

SupervisedChild::~SupervisedChild() {
  for (int i = 1; i <= kRequests && !ended(); ++i) {
    ::kill(pid_, SIGTERM);
    const auto until = steady_clock::now() + (i < kRequests ? kBetweenRequests : kLastOneHas);
    while (!ended() && steady_clock::now() < until) std::this_thread::sleep_for(milliseconds(10));
  }
  if (ended()) return;
  for (const pid_t launcher : children_of(pid_)) {
    for (const pid_t rank : children_of(launcher)) ::kill(rank, SIGKILL);
    ::kill(launcher, SIGKILL);
  }
  ::kill(pid_, SIGKILL);
  while (!ended()) std::this_thread::sleep_for(milliseconds(10));
}

}  // namespace lockstep
