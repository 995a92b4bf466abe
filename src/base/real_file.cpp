// SPDX-License-Identifier: Apache-2.0
#include "base/real_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/aligned_block.h"
#include "base/descriptor.h"
#include "base/disk_abilities.h"
#include "base/disk_errors.h"
#include "base/whole_write.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {
namespace {

// Note [around the page cache]: a file is opened like any other and then asked for O_DIRECT, because an open
// that refuses it may have made the file. A kernel that can say what alignment the disk wants is believed;
// others show it at the first write or read, with EINVAL: then the file goes on through the page cache.
bool go_direct(int fd) {
  // The switch is for tests of file systems without it.
  if (fault_requested("guard.skip_direct")) return false;
  const auto wanted = direct_alignment_of(fd);
  if (wanted && (*wanted == 0 || *wanted > kDirectAlignment)) return false;
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && ::fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
}

void leave_direct(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0) ::fcntl(fd, F_SETFL, flags & ~O_DIRECT);
}

class RealWritableFile : public WritableFile {
 public:
  RealWritableFile(std::string path, int fd, Caching caching)
      : path_(std::move(path)), fd_(fd), direct_(caching == Caching::kNone && go_direct(fd)) {}

  std::size_t alignment() const override { return direct_ ? kDirectAlignment : 1; }

  void reserve(std::uint64_t bytes) override {
    if (bytes == 0) return;
    const auto result =
        retry_interrupted([&] { return ::fallocate(fd_.get(), 0, 0, static_cast<off_t>(bytes)); });
    // Where room cannot be taken the writes will tell; never glibc's stand-in, which writes into every block.
    if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
      throw storage_fault("reserving room", path_, errno);
    if (result != 0) truncate(bytes);
  }

  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    const bool direct = direct_;
    int error = write_once(offset, bytes, direct);
    if (error == EINVAL && direct) {
      leave_direct(fd_.get());
      direct_ = false;
      error = write_once(offset, bytes, false);
    }
    if (error != 0) throw storage_fault("write", path_, error);
  }

  void truncate(std::uint64_t bytes) override {
    if (retry_interrupted([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(bytes)); }) != 0)
      throw storage_fault("setting the length", path_, errno);
  }
  void sync() override { sync_or_throw(fd_.get(), path_, /*directory=*/false); }
  void close() override {
    // Never retried: after EINTR Linux has closed it already.
    if (::close(fd_.release()) != 0 && errno != EINTR) throw storage_fault("close", path_, errno);
  }

 private:
  int write_once(std::uint64_t offset, std::span<const std::byte> bytes, bool direct) const {
    return write_whole([fd = fd_.get()](const void* from, std::size_t count,
                                        off_t at) { return ::pwrite(fd, from, count, at); },
                       offset, bytes, direct ? kDirectAlignment : 1);
  }

  std::string path_;
  Descriptor fd_;
  std::atomic<bool> direct_;
};

class RealReadableFile : public ReadableFile {
 public:
  RealReadableFile(std::string path, int fd, Caching caching) : path_(std::move(path)), fd_(fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) throw reading_fault("stat", path_, errno);
    if (!S_ISREG(status.st_mode))
      throw Fault(ExitCode::kNoValidCheckpoint, path_ + ": not a regular file",
                  "Remove what stands in its place");
    size_ = static_cast<std::uint64_t>(status.st_size);
    if (caching == Caching::kPages) {
      // Twice the read-ahead; of a cold file several threads got 2.4 instead of 1.9 GB/s.
      ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
      return;
    }
    // Also for a file system that has no O_DIRECT: clean pages of the cache are given up.
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    direct_ = go_direct(fd);
  }

  std::uint64_t size() const override { return size_; }

  void read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    while (!into.empty()) {
      const std::size_t n = direct_ ? read_direct(offset, into) : read_some(offset, into);
      if (n == 0)
        throw Fault(ExitCode::kNoValidCheckpoint,
                    fmt::format("{}: ends at byte {}, {} more were expected", path_, offset, into.size()),
                    "The file is truncated");
      into = into.subspan(n);
      offset += n;
    }
  }

 private:
  // 0 at the end of the file.
  std::size_t read_some(std::uint64_t offset, std::span<std::byte> into) const {
    const ssize_t n = retry_interrupted(
        [&] { return ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(offset)); });
    if (n < 0 && errno == EINVAL && direct_) {
      leave_direct(fd_.get());
      direct_ = false;
      return read_some(offset, into);
    }
    if (n < 0) throw reading_fault("read", path_, errno);
    return static_cast<std::size_t>(n);
  }

  // Whole blocks go straight where they belong; what is not aligned comes through a block of ours.
  std::size_t read_direct(std::uint64_t offset, std::span<std::byte> into) const {
    const bool aligned = offset % kDirectAlignment == 0 &&
                         reinterpret_cast<std::uintptr_t>(into.data()) % kDirectAlignment == 0;
    const std::size_t whole = into.size() - into.size() % kDirectAlignment;
    if (aligned && whole > 0) return read_some(offset, into.first(whole));
    constexpr std::size_t kThrough = 1u << 20;
    const std::size_t head = offset % kDirectAlignment;
    AlignedBlock through(std::min(head + into.size(), kThrough));
    const std::size_t got = read_some(offset - head, through.bytes());
    if (got <= head) return 0;
    const std::size_t n = std::min(got - head, into.size());
    std::memcpy(into.data(), through.bytes().data() + head, n);
    return n;
  }

  std::string path_;
  Descriptor fd_;
  std::uint64_t size_ = 0;
  mutable std::atomic<bool> direct_ = false;
};

}  // namespace

std::unique_ptr<WritableFile> create_real_file(const std::string& path, Caching caching) {
  return std::make_unique<RealWritableFile>(
      path, open_or_throw(path, O_WRONLY | O_CREAT | O_EXCL, /*reading=*/false), caching);
}

std::unique_ptr<ReadableFile> open_real_file(const std::string& path, Caching caching) {
  // Without O_NONBLOCK a planted FIFO would make this wait for a writer.
  return std::make_unique<RealReadableFile>(
      path, open_or_throw(path, O_RDONLY | O_NONBLOCK, /*reading=*/true), caching);
}

}  // namespace lockstep
