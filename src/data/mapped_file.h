// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace lockstep {

// A regular file, mapped read-only, that remembers what it was when opened. Move-only.
//
// A mapped file that another program truncates raises SIGBUS where its missing pages are touched; nothing can
// catch that in time, so check_unchanged() is asked before every step that reads.
class MappedFile {
 public:
  // Local. Follows symbolic links; holds no descriptor afterwards, so thousands of files are fine. Throws
  // Fault (66) for a missing file and for anything but a regular file (a fifo is refused, not waited for).
  explicit MappedFile(std::string path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  // Empty for a file of length zero. Page-aligned.
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

  // Local. One stat(). Throws Fault (66) when size, modification time or inode at this path differ from those
  // at opening.
  void check_unchanged() const;

 private:
  void unmap() noexcept;

  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::int64_t modified_ns_ = 0;
  std::uint64_t inode_ = 0;
};

}  // namespace lockstep
