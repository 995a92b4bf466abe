// SPDX-License-Identifier: Apache-2.0
#include "supervise/process_session.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/process_text.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kRoomWithoutReader = 1 << 20;  // bytes: what an unprivileged process may ask for

// In the child. Signals are as a program expects them, but those that whoever started us had ignored (nohup).
[[noreturn]] void become(char* const* arguments, const std::map<std::string, std::string>& environment,
                         const std::array<int, 2>& said) {
  ::setsid();
  for (const int signal : {SIGUSR1, SIGUSR2, SIGTERM, SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  ::dup2(said[1], STDERR_FILENO);
  // It holds the reader's end too: mpirun gives up at its tenth broken pipe, and must outlive its supervisor.
  ::fcntl(said[0], F_SETPIPE_SZ, kRoomWithoutReader);
  ::fcntl(said[0], F_SETFD, 0);
  ::execvp(arguments[0], arguments);
  ::_exit(127);
}

std::array<int, 2> open_pipe() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    throw Fault(ExitCode::kCannotStart, "no pipe can be had: too few descriptors",
                "Raise the limit of open files (ulimit -n)");
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return ends;
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> all;
  DIR* folder = ::opendir("/proc");
  if (folder == nullptr) return all;
  while (const dirent* entry = ::readdir(folder))
    if (const pid_t process = std::atoi(entry->d_name); process > 0) all.push_back(process);
  ::closedir(folder);
  return all;
}

}  // namespace

ProcessSession::ProcessSession(const std::vector<std::string>& words,
                               const std::map<std::string, std::string>& environment) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const std::array<int, 2> ends = open_pipe();
  pid_ = ::fork();
  if (pid_ == 0) become(arguments.data(), environment, ends);
  ::close(ends[1]);
  said_.emplace(ends[0]);
  if (pid_ < 0)
    throw Fault(ExitCode::kCannotStart, words[0] + " cannot be started: no process can be had",
                "Raise the limit of processes (ulimit -u)");
}

std::string ProcessSession::read_said() {
  std::string text;
  std::array<char, 4096> piece;
  for (;;) {
    const ssize_t got = retry_interrupted([&] { return ::read(said_->get(), piece.data(), piece.size()); });
    if (got <= 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

void ProcessSession::send(int signal) const {
  if (!code_) ::kill(pid_, signal);
}

std::optional<int> ProcessSession::ended() {
  int status = 0;
  if (!code_ && retry_interrupted([&] { return ::waitpid(pid_, &status, WNOHANG); }) == pid_) {
    killed_ = WIFSIGNALED(status);
    code_ = killed_ ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  return code_;
}

std::vector<pid_t> members_of(pid_t session, const std::string& word) {
  std::vector<pid_t> members;
  const std::string number = std::to_string(session);
  for (const pid_t process : all_processes()) {
    const std::vector<std::string> stat = process_stat(process);
    if (stat.size() < 4 || stat[3] != number || stat[0] == "Z" || stat[0] == "X") continue;
    if (word.empty() || process_text(process, "environ").find(word) != std::string::npos)
      members.push_back(process);
  }
  return members;
}

std::vector<pid_t> end_session(pid_t session, milliseconds patience, const std::string& word) {
  const auto deadline = steady_clock::now() + patience;
  for (;;) {
    const std::vector<pid_t> left = members_of(session, word);
    for (const pid_t process : left) ::kill(process, SIGKILL);
    if (left.empty() || steady_clock::now() > deadline) return left;
    std::this_thread::sleep_for(milliseconds(5));
  }
}

std::string start_of(pid_t process) {
  constexpr std::size_t kStartTime = 19;
  const std::vector<std::string> stat = process_stat(process);
  return stat.size() > kStartTime && stat[0] != "Z" ? stat[kStartTime] : "";
}

}  // namespace lockstep
