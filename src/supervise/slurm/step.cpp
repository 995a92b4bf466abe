// SPDX-License-Identifier: Apache-2.0
#include "supervise/slurm/step.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <regex>

#include "lockstep/base/error.h"
#include "supervise/slurm/command.h"

namespace lockstep {
namespace {

constexpr std::string_view kOwnWords = "srun: error: ";
constexpr std::size_t kLongestLine = 4096;

// Of srun 22.05 and its libraries: what is between the ranks and Slurm, not in the ranks.
bool is_complaint(std::string_view line) {
  static constexpr std::array<std::string_view, 12> kWords = {
      "launch failed",         "Unable to confirm allocation",
      "Unable to create step", "Unable to contact",
      "Node failure",          "Communication connection failure",
      "Socket timed out",      "Zero Bytes",
      "Unspecified error",     "Connection refused",
      "No route to host",      "Unable to allocate resources"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view words) { return line.find(words) != std::string_view::npos; });
}

// "srun: error: n1: task 1: Killed", "n[1-2]: tasks 0-3: Exited with exit code 1".
bool is_loss(const std::string& line) {
  static const std::regex kLoss("srun: error: [^ ]+: tasks? [0-9,-]+: .*");
  return std::regex_match(line, kLoss);
}

void write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = retry_interrupted([&] { return ::write(fd, data, size); });
    if (n <= 0) return;  // nobody reads it: no reason to end the ranks
    data += n;
    size -= static_cast<std::size_t>(n);
  }
}

}  // namespace

SlurmStep::SlurmStep(const std::vector<std::string>& words) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw cannot_start(words[0]);
  said_.emplace(ends[0]);
  const Descriptor in(ends[1]);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  pid_ = start_program(words, {.out = 1, .err = in.get()});
}

SlurmStep::~SlurmStep() {
  if (ended()) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  retry_interrupted([&] { return ::waitpid(pid_, &status, 0); });
}

void SlurmStep::listen() {
  std::array<char, 4096> piece;
  for (;;) {
    const ssize_t got = retry_interrupted([&] { return ::read(said_->get(), piece.data(), piece.size()); });
    if (got <= 0) return;
    write_all(2, piece.data(), static_cast<std::size_t>(got));
    unfinished_.append(piece.data(), static_cast<std::size_t>(got));
    for (auto end = unfinished_.find('\n'); end != std::string::npos; end = unfinished_.find('\n')) {
      take_line(unfinished_.substr(0, end));
      unfinished_.erase(0, end + 1);
    }
    if (unfinished_.size() > kLongestLine) unfinished_.clear();
  }
}

void SlurmStep::take_line(const std::string& line) {
  if (!lost_ && is_loss(line)) lost_ = std::chrono::steady_clock::now();
  if (!complaint_.empty() || !line.starts_with(kOwnWords) || !is_complaint(line)) return;
  complaint_ = line.substr(kOwnWords.size());
}

void SlurmStep::send(int signal) {
  if (!ended()) ::kill(pid_, signal);
}

std::optional<int> SlurmStep::ended() {
  if (code_) return code_;
  int status = 0;
  if (retry_interrupted([&] { return ::waitpid(pid_, &status, WNOHANG); }) != pid_) return std::nullopt;
  code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  listen();
  return code_;
}

}  // namespace lockstep
