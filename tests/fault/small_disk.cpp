// SPDX-License-Identifier: Apache-2.0
#include "small_disk.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "support/temp_dir.h"

namespace lockstep::testing {
namespace {

[[noreturn]] void cannot(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno) +
                           "; these tests need root, or user namespaces in which one may mount");
}

}  // namespace

void enter_own_mounts() {
  static bool entered = false;
  if (entered) return;
  const uid_t user = ::geteuid();
  const bool root = user == 0;
  if (::unshare(root ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) cannot("unshare");
  if (!root) write_file("/proc/self/uid_map", "0 " + std::to_string(user) + " 1");
  // In a chroot "/" is no mount (EINVAL): whoever made it decides what its mounts share.
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 && errno != EINVAL)
    cannot("making the mounts private");
  entered = true;
}

SmallDisk::SmallDisk(std::string folder, const std::string& options) : folder_(std::move(folder)) {
  enter_own_mounts();
  std::filesystem::create_directories(folder_);
  if (::mount("tmpfs", folder_.c_str(), "tmpfs", 0, options.c_str()) != 0) cannot("mounting a tmpfs");
}

SmallDisk::~SmallDisk() {
  ::umount2(folder_.c_str(), MNT_DETACH);
}

void SmallDisk::resize(const std::string& options) {
  if (::mount("tmpfs", folder_.c_str(), "tmpfs", MS_REMOUNT, options.c_str()) != 0)
    cannot("remounting a tmpfs");
}

void SmallDisk::make_read_only() {
  if (::mount("tmpfs", folder_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr) != 0)
    cannot("remounting a tmpfs read-only");
}

}  // namespace lockstep::testing
