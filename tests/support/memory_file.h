// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "lockstep/base/disk.h"
#include "lockstep/base/error.h"

namespace lockstep {

using Bytes = std::vector<std::byte>;

// A file in memory, to be written and to be read. Reading past its end is a Bug: who reads a file that may be
// anything has compared every place with its length before.
class MemoryFile : public ReadableFile, public WritableFile {
 public:
  MemoryFile() = default;
  explicit MemoryFile(std::span<const std::byte> bytes) : bytes_(bytes.begin(), bytes.end()) {}
  explicit MemoryFile(const std::string& text) : MemoryFile(std::as_bytes(std::span(text))) {}

  std::uint64_t size() const override { return bytes_.size(); }
  void read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    check(offset <= bytes_.size() && into.size() <= bytes_.size() - offset, "a read lies inside its file");
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
  }
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    bytes_.resize(std::max<std::size_t>(bytes_.size(), offset + bytes.size()));
    std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  std::size_t alignment() const override { return 1; }
  void reserve(std::uint64_t bytes) override { bytes_.resize(bytes); }
  void truncate(std::uint64_t bytes) override { bytes_.resize(bytes); }
  void sync() override {}
  void close() override {}
  Bytes& bytes() { return bytes_; }

 private:
  Bytes bytes_;
};

}  // namespace lockstep
