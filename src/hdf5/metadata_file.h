// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/base/disk.h"

namespace lockstep {

// An address that HDF5 writes for "nothing there".
inline constexpr std::uint64_t kNoAddress = ~std::uint64_t{0};

// The metadata of an HDF5 file that may be hostile. Note [own HDF5 reader]: the stock library follows what a
// damaged file says out of its buffers and round its loops, so it only ever opens files it made itself, in
// memory. What is read here is bounded three ways: by the file's length, by the size of a block, and by the
// bytes read in all, which end every loop of addresses. Local; one thread at a time.
class Hdf5MetadataFile {
 public:
  Hdf5MetadataFile(const ReadableFile& file, std::string path);

  std::uint64_t size() const { return file_.size(); }
  // Throws Fault (65) when that is not inside the file or one of the bounds is reached; (74) on a read error.
  std::vector<std::byte> read(std::uint64_t offset, std::uint64_t bytes) const;
  // As read(), but for what ends in the checksum of the bytes before it: compared and taken off.
  std::vector<std::byte> read_checked(std::uint64_t offset, std::uint64_t bytes) const;
  // Throws Fault (65) when the last four bytes are not the checksum of those before.
  void require_checksum(std::span<const std::byte> bytes) const;

  // Throws Fault (65) about the content of the file.
  [[noreturn]] void refuse(const std::string& fact, const std::string& remedy = "") const;

 private:
  const ReadableFile& file_;
  std::string path_;
  mutable std::uint64_t left_;
};

// Bytes of such a file, front to back, little-endian. Throws Fault (65) past their end. A view.
class Hdf5Cursor {
 public:
  Hdf5Cursor(const Hdf5MetadataFile& file, std::span<const std::byte> bytes) : file_(file), rest_(bytes) {}

  std::size_t remaining() const { return rest_.size(); }
  std::span<const std::byte> rest() const { return rest_; }
  // `bytes` of at most 8.
  std::uint64_t number(std::size_t bytes);
  std::span<const std::byte> take(std::uint64_t bytes);
  void skip(std::uint64_t bytes) { take(bytes); }
  // Takes the signature or version that must stand here, or refuses: "a damaged <what>".
  void expect(std::string_view signature, const char* what);
  void expect_version(std::uint8_t version, const char* what);
  // Up to a zero byte, which is taken as well.
  std::string text();

 private:
  const Hdf5MetadataFile& file_;
  std::span<const std::byte> rest_;
};

}  // namespace lockstep
