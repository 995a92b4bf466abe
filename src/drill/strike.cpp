// SPDX-License-Identifier: Apache-2.0
#include "drill/strike.h"
#include "base/run_layout.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <filesystem>

namespace lockstep {
namespace {

namespace fs = std::filesystem;

// For the lines that are written until the next save.
constexpr std::uintmax_t kRoomForLines = 64 * 1024;

std::uintmax_t largest_file(const std::string& folder, const std::string& extension) {
  std::uintmax_t largest = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;
    if (at->path().extension() == extension && at->is_regular_file(gone))
      largest = std::max(largest, at->file_size(gone));
  }
  return largest;
}

// The largest size a file may have. The next save fails, and lines are still written where a checkpoint is so
// much larger that both can be; else nothing is written any more.
std::uintmax_t room_in(const std::string& run_directory) {
  const std::uintmax_t lines =
      std::max(largest_file(run_directory, ".jsonl"), largest_file(RunLayout(run_directory).logs(), ".log"));
  const std::uintmax_t room = lines + kRoomForLines;
  return largest_file(RunLayout(run_directory).checkpoints(), ".h5") > room ? room : 0;
}

}  // namespace

Strike::Strike(pid_t rank, int process, FaultKind kind) : rank_(rank), process_(process), kind_(kind) {}

std::unique_ptr<Strike> Strike::of(pid_t rank, FaultKind kind) {
  if (rank < 0) return nullptr;
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, rank, 0));
  return process < 0 ? nullptr : std::unique_ptr<Strike>(new Strike(rank, process, kind));
}

double Strike::age_s() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - found_).count();
}

bool Strike::ended() const {
  pollfd wanted{process_.get(), POLLIN, 0};
  return ::poll(&wanted, 1, 0) == 1;
}

bool Strike::now(const std::string& run_directory) {
  if (ended()) return false;
  if (kind_ != FaultKind::kFullDisk)
    return ::syscall(SYS_pidfd_send_signal, process_.get(), kind_ == FaultKind::kKill ? SIGKILL : SIGSTOP,
                     nullptr, 0) == 0;
  if (::prlimit(rank_, RLIMIT_FSIZE, nullptr, &before_) != 0) return false;
  rlimit full = before_;
  full.rlim_cur = std::min<rlim_t>(room_in(run_directory), full.rlim_max);
  return ::prlimit(rank_, RLIMIT_FSIZE, &full, nullptr) == 0;
}

void Strike::undo() {
  if (kind_ == FaultKind::kFullDisk) ::prlimit(rank_, RLIMIT_FSIZE, &before_, nullptr);
}

}  // namespace lockstep
