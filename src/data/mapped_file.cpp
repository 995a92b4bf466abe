// SPDX-License-Identifier: Apache-2.0
#include "data/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/descriptor.h"
#include "data/refuse.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {
namespace {

constexpr const char* kChangedRemedy =
    "Put the original file back and resume, or start a new run with the changed data.";

std::int64_t modified_ns(const struct stat& info) {
  return static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
}

}  // namespace

MappedFile::MappedFile(std::string path) : path_(std::move(path)) {
  // O_NONBLOCK: opening a fifo that nobody writes to would wait for ever.
  const Descriptor file{::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.get() < 0)
    refuse_data_file(
        path_, fmt::format("cannot be opened ({})", std::strerror(errno)),
        "Check the path in the data section and the permissions; relative paths start at the config file.");
  struct stat info {};
  if (::fstat(file.get(), &info) != 0)
    refuse_data_file(path_, std::strerror(errno), "Check the file system.");
  if (!S_ISREG(info.st_mode))
    refuse_data_file(path_, S_ISDIR(info.st_mode) ? "is a folder, expected a file" : "is not a regular file",
                     "Name a regular file.");
  size_ = static_cast<std::size_t>(info.st_size);
  modified_ns_ = modified_ns(info);
  inode_ = info.st_ino;
  // mmap refuses a length of zero.
  if (size_ == 0) return;
  // Shared, so that ranks of one machine hold one copy in the page cache.
  void* memory = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED)
    refuse_data_file(path_, fmt::format("{} bytes cannot be mapped ({})", size_, std::strerror(errno)),
                     "Join many small files into fewer, or raise vm.max_map_count.");
  data_ = static_cast<const std::byte*>(memory);
}

MappedFile::~MappedFile() {
  unmap();
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      modified_ns_(other.modified_ns_),
      inode_(other.inode_) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this == &other) return *this;
  unmap();
  path_ = std::move(other.path_);
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  modified_ns_ = other.modified_ns_;
  inode_ = other.inode_;
  return *this;
}

void MappedFile::check_unchanged() const {
  if (fault_requested("guard.skip_unchanged")) return;
  struct stat info {};
  if (::stat(path_.c_str(), &info) != 0)
    refuse_data_file(path_, fmt::format("is gone since the run began ({})", std::strerror(errno)),
                     kChangedRemedy);
  if (static_cast<std::size_t>(info.st_size) != size_)
    refuse_data_file(path_,
                     fmt::format("changed since the run began: {} bytes then, {} now", size_, info.st_size),
                     kChangedRemedy);
  // The inode tells a file that was replaced with size and time kept (cp -p, rsync -t).
  if (modified_ns(info) != modified_ns_ || info.st_ino != inode_)
    refuse_data_file(path_,
                     fmt::format("was written or replaced since the run began (still {} bytes)", size_),
                     kChangedRemedy);
}

void MappedFile::unmap() noexcept {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  data_ = nullptr;
}

}  // namespace lockstep
