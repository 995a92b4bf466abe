// SPDX-License-Identifier: Apache-2.0
#include "run/run_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

std::string owner_in(int fd) {
  char text[512];
  const ssize_t n = ::pread(fd, text, sizeof text, 0);
  std::string owner(text, n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!owner.empty() && owner.back() == '\n') owner.pop_back();
  return owner.empty() ? "an unknown process" : printable(owner);
}

// lock_owner() holds the lock shared for an instant: a job that starts just then must not end over it.
bool take_exclusively(int fd) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  errno = EWOULDBLOCK;
  return false;
}

std::string host_name() {
  char name[256] = "?";
  ::gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

RunLock::RunLock(const std::string& run_directory, const std::string& job) {
  const std::string path = run_directory + "/lock";
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd_ < 0)
    throw Fault(ExitCode::kRunDirectory, fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)),
                "Make the run directory writable, or choose another run.dir");
  if (!take_exclusively(fd_)) {
    if (errno == EWOULDBLOCK) {
      const std::string owner = owner_in(fd_);
      ::close(fd_);
      fd_ = -1;
      throw Fault(ExitCode::kLocked, fmt::format("{} is in use by {}", run_directory, owner),
                  "Wait for it, stop it, or choose another run.dir");
    }
    log_warning("{}: this file system has no flock ({}): nothing keeps a second job out of this run", path,
                std::strerror(errno));
  }
  const std::string owner =
      fmt::format("host {} pid {}{}\n", host_name(), ::getpid(), job.empty() ? "" : " job " + job);
  // Only information for people; the lock itself is the kernel's, so a failed write here changes nothing.
  if (::ftruncate(fd_, 0) != 0 || ::pwrite(fd_, owner.data(), owner.size(), 0) < 0)
    log_warning("{}: cannot note the owner: {}", path, std::strerror(errno));
}

RunLock::~RunLock() {
  if (fd_ >= 0) ::close(fd_);
}

std::optional<std::string> lock_owner(const std::string& run_directory) {
  // NONBLOCK: a fifo in its place is nothing to wait for.
  const int fd = ::open((run_directory + "/lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  std::optional<std::string> owner;
  if (::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) owner = owner_in(fd);
  ::close(fd);
  return owner;
}

}  // namespace lockstep
