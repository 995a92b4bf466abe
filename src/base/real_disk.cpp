// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/disk_errors.h"
#include "lockstep/base/disk.h"

namespace lockstep {
namespace {

// An open file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

template <class Call>
auto retry_interrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

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

class RealWritableFile : public WritableFile {
 public:
  RealWritableFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = retry_interrupted(
          [&] { return ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
      if (n < 0) throw storage_fault("write", path_, errno);
      if (n == 0) throw storage_fault("write", path_, EIO);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
  }
  void sync() override { sync_or_throw(fd_.get(), path_, /*directory=*/false); }
  void close() override {
    // Never retried: after EINTR Linux has closed it already.
    if (::close(fd_.release()) != 0 && errno != EINTR) throw storage_fault("close", path_, errno);
  }

 private:
  std::string path_;
  Descriptor fd_;
};

class RealReadableFile : public ReadableFile {
 public:
  RealReadableFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) throw reading_fault("stat", path_, errno);
    if (!S_ISREG(status.st_mode))
      throw Fault(ExitCode::kNoValidCheckpoint, path_ + ": not a regular file",
                  "Remove what stands in its place");
    size_ = static_cast<std::uint64_t>(status.st_size);
  }
  std::uint64_t size() const override { return size_; }
  void read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    while (!into.empty()) {
      const ssize_t n = retry_interrupted(
          [&] { return ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(offset)); });
      if (n < 0) throw reading_fault("read", path_, errno);
      if (n == 0)
        throw Fault(ExitCode::kNoValidCheckpoint,
                    fmt::format("{}: ends at byte {}, {} more were expected", path_, offset, into.size()),
                    "The file is truncated");
      into = into.subspan(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
  }

 private:
  std::string path_;
  Descriptor fd_;
  std::uint64_t size_ = 0;
};

class RealDisk : public Disk {
 public:
  std::unique_ptr<WritableFile> create(const std::string& path) override {
    return std::make_unique<RealWritableFile>(
        path, open_or_throw(path, O_WRONLY | O_CREAT | O_EXCL, /*reading=*/false));
  }
  std::unique_ptr<ReadableFile> open(const std::string& path) override {
    // Without O_NONBLOCK a planted FIFO would make this wait for a writer.
    return std::make_unique<RealReadableFile>(path,
                                              open_or_throw(path, O_RDONLY | O_NONBLOCK, /*reading=*/true));
  }
  void append(const std::string& path, std::string_view text) override {
    const Descriptor fd(open_or_throw(path, O_WRONLY | O_CREAT | O_APPEND, /*reading=*/false));
    while (!text.empty()) {
      const ssize_t n = retry_interrupted([&] { return ::write(fd.get(), text.data(), text.size()); });
      if (n < 0) throw storage_fault("append", path, errno);
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void truncate(const std::string& path, std::uint64_t bytes) override {
    const Descriptor fd(open_or_throw(path, O_WRONLY, /*reading=*/false));
    if (retry_interrupted([&] { return ::ftruncate(fd.get(), static_cast<off_t>(bytes)); }) != 0)
      throw storage_fault("truncate", path, errno);
  }
  void sync_file(const std::string& path) override {
    const Descriptor fd(open_or_throw(path, O_RDONLY, /*reading=*/false));
    sync_or_throw(fd.get(), path, /*directory=*/false);
  }
  void sync_directory(const std::string& path) override {
    const Descriptor fd(open_or_throw(path, O_RDONLY | O_DIRECTORY, /*reading=*/false));
    sync_or_throw(fd.get(), path, /*directory=*/true);
  }
  void rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) throw storage_fault("rename to " + to, from, errno);
  }
  void remove(const std::string& path) override {
    const auto found = info(path);
    const bool directory = found && found->is_directory;
    if ((directory ? ::rmdir(path.c_str()) : ::unlink(path.c_str())) != 0)
      throw storage_fault("remove", path, errno);
  }
  void make_directory(const std::string& path) override {
    if (::mkdir(path.c_str(), 0755) == 0) return;
    const int error = errno;
    const auto found = info(path);
    if (error != EEXIST || !found || !found->is_directory)
      throw storage_fault("making the folder", path, error == EEXIST ? ENOTDIR : error);
  }
  std::vector<std::string> list(const std::string& path) override {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) throw reading_fault("listing", path, errno);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(directory)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    ::closedir(directory);
    std::sort(names.begin(), names.end());
    return names;
  }
  std::optional<FileInfo> info(const std::string& path) override {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
      throw reading_fault("stat", path, errno);
    }
    return FileInfo{static_cast<std::uint64_t>(status.st_size),
                    status.st_mtim.tv_sec * std::int64_t{1'000'000'000} + status.st_mtim.tv_nsec,
                    S_ISDIR(status.st_mode)};
  }
  std::uint64_t free_bytes(const std::string& path) override {
    struct statvfs status {};
    if (retry_interrupted([&] { return ::statvfs(path.c_str(), &status); }) != 0)
      throw storage_fault("asking for free space", path, errno);
    return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  }
};

}  // namespace

Disk& real_disk() {
  static RealDisk disk;
  return disk;
}

}  // namespace lockstep
