// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/descriptor.h"
#include "base/disk_errors.h"
#include "base/real_file.h"
#include "lockstep/base/disk.h"

namespace lockstep {
namespace {

class RealDisk : public Disk {
 public:
  std::unique_ptr<WritableFile> create(const std::string& path) override {
    return create_real_file(path, Caching::kPages);
  }
  std::unique_ptr<WritableFile> create_direct(const std::string& path) override {
    return create_real_file(path, Caching::kNone);
  }
  std::unique_ptr<ReadableFile> open(const std::string& path) override {
    return open_real_file(path, Caching::kPages);
  }
  std::unique_ptr<ReadableFile> open_direct(const std::string& path) override {
    return open_real_file(path, Caching::kNone);
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
