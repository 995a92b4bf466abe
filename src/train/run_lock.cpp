// SPDX-License-Identifier: Apache-2.0
#include "train/run_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

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
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
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

}  // namespace lockstep
