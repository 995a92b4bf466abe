// SPDX-License-Identifier: Apache-2.0
// Preloaded into the real binary: the calls of libc that reach checkpoint files behave as POSIX allows and
// disks seldom do. ODD_DISK names the habits, ODD_DISK_COUNTS a file that counts how often each was shown.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

enum Habit { kShort, kInterrupted, kNoLocks, kNoDirectorySync, kLate, kSlowSync, kFrozen, kHabits };
const char* const kNames[] = {"short", "interrupted", "no_locks", "no_directory_sync",
                              "late",  "slow_sync",   "frozen"};

// In memory that outlives the process, however it ends.
struct Counts {
  std::atomic<std::uint64_t> shown[kHabits];
};

Counts* counts() {
  static Counts* const mapped = [] {
    const char* path = std::getenv("ODD_DISK_COUNTS");
    const int fd = ::open(path == nullptr ? "" : path, O_RDWR);
    void* memory = ::mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) std::abort();
    return static_cast<Counts*>(memory);
  }();
  return mapped;
}

bool has(Habit habit) {
  const char* habits = std::getenv("ODD_DISK");
  return habits != nullptr && std::strstr(habits, kNames[habit]) != nullptr;
}

bool show(Habit habit) {
  if (!has(habit)) return false;
  ++counts()->shown[habit];
  return true;
}

bool is_in(int fd, const char* part) {
  char link[64], path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = ::readlink(link, path, sizeof path - 1);
  if (n <= 0) return false;
  path[n] = 0;
  return std::strstr(path, part) != nullptr;
}

bool is_of_a_checkpoint(int fd) {
  return is_in(fd, "/ckpt");
}

void freeze(int fd) {
  const char* gate = std::getenv("ODD_DISK_GATE");
  const char* part = std::getenv("ODD_DISK_FROZEN");
  if (!has(kFrozen) || gate == nullptr || part == nullptr || !is_in(fd, part)) return;
  if (::access(gate, F_OK) == 0) show(kFrozen);
  while (::access(gate, F_OK) == 0) ::usleep(5'000);
}

// Every third call in a thread is interrupted, so that one that is tried again goes through.
bool interrupts(int fd) {
  static thread_local unsigned calls = 0;
  if (!has(kInterrupted) || !is_of_a_checkpoint(fd) || ++calls % 3 != 0) return false;
  show(kInterrupted);
  errno = EINTR;
  return true;
}

// Half of what was asked for, in whole blocks where the file is open around the page cache.
std::size_t shortened(int fd, std::size_t bytes) {
  if (!has(kShort) || !is_of_a_checkpoint(fd)) return bytes;
  const bool direct = (::fcntl(fd, F_GETFL) & O_DIRECT) != 0;
  const std::size_t half = direct ? bytes / 2 / 4096 * 4096 : bytes / 2;
  if (half == 0) return bytes;
  show(kShort);
  return half;
}

template <class Call>
Call real(const char* name) {
  return reinterpret_cast<Call>(::dlsym(RTLD_NEXT, name));
}

using Pwrite = ssize_t (*)(int, const void*, std::size_t, off_t);
using Pread = ssize_t (*)(int, void*, std::size_t, off_t);

}  // namespace

extern "C" {

ssize_t pwrite64(int fd, const void* from, std::size_t bytes, off_t offset) {
  static const Pwrite call = real<Pwrite>("pwrite64");
  return interrupts(fd) ? -1 : call(fd, from, shortened(fd, bytes), offset);
}
ssize_t pwrite(int fd, const void* from, std::size_t bytes, off_t offset) {
  return pwrite64(fd, from, bytes, offset);
}
ssize_t pread64(int fd, void* into, std::size_t bytes, off_t offset) {
  static const Pread call = real<Pread>("pread64");
  return interrupts(fd) ? -1 : call(fd, into, shortened(fd, bytes), offset);
}
ssize_t pread(int fd, void* into, std::size_t bytes, off_t offset) {
  return pread64(fd, into, bytes, offset);
}
ssize_t write(int fd, const void* from, std::size_t bytes) {
  static const auto call = real<ssize_t (*)(int, const void*, std::size_t)>("write");
  if (fd > STDERR_FILENO) freeze(fd);
  return call(fd, from, bytes);
}
int fsync(int fd) {
  static const auto call = real<int (*)(int)>("fsync");
  freeze(fd);
  if (has(kSlowSync) && is_of_a_checkpoint(fd) && show(kSlowSync)) ::usleep(100'000);
  struct stat status {};
  if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) && show(kNoDirectorySync)) {
    errno = EINVAL;
    return -1;
  }
  return interrupts(fd) ? -1 : call(fd);
}
int ftruncate64(int fd, off_t bytes) {
  static const auto call = real<int (*)(int, off_t)>("ftruncate64");
  return interrupts(fd) ? -1 : call(fd, bytes);
}
int ftruncate(int fd, off_t bytes) {
  return ftruncate64(fd, bytes);
}
int fallocate64(int fd, int mode, off_t offset, off_t bytes) {
  static const auto call = real<int (*)(int, int, off_t, off_t)>("fallocate64");
  return interrupts(fd) ? -1 : call(fd, mode, offset, bytes);
}
int fallocate(int fd, int mode, off_t offset, off_t bytes) {
  return fallocate64(fd, mode, offset, bytes);
}
// The first looks at checkpoints find none: what a rename made is not seen yet.
int lstat64(const char* path, struct stat64* status) {
  static const auto call = real<int (*)(const char*, struct stat64*)>("lstat64");
  static std::atomic<int> looks{0};
  if (has(kLate) && std::strstr(path, "/ckpt/step-") != nullptr && ++looks <= 4) {
    show(kLate);
    errno = ENOENT;
    return -1;
  }
  return call(path, status);
}
int lstat(const char* path, struct stat* status) {
  return lstat64(path, reinterpret_cast<struct stat64*>(status));
}
int flock(int fd, int operation) {
  static const auto call = real<int (*)(int, int)>("flock");
  if (show(kNoLocks)) {
    errno = ENOLCK;
    return -1;
  }
  return call(fd, operation);
}

}  // extern "C"
