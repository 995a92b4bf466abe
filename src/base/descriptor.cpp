// SPDX-License-Identifier: Apache-2.0
#include "base/descriptor.h"

#include <fcntl.h>

#include "base/disk_errors.h"

namespace lockstep {

int open_or_throw(const std::string& path, int flags, bool reading) {
  const int fd =
      retry_interrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0644); });
  if (fd < 0) throw reading ? reading_fault("open", path, errno) : storage_fault("open", path, errno);
  return fd;
}

void sync_or_throw(int fd, const std::string& path, bool directory) {
  if (retry_interrupted([&] { return ::fsync(fd); }) == 0) return;
  // A file system without directory fsync (some network ones) says EINVAL; there is nothing more one can do
  // there.
  if (directory && errno == EINVAL) return;
  throw storage_fault(directory ? "fsync of the folder" : "fsync", path, errno);
}

}  // namespace lockstep
