// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/base/disk.h"

namespace lockstep {

// Writes a zip archive of stored entries front to back, each beginning at a multiple of 64 bytes, as
// torch.save does. Local. Throws Fault (74).
class ZipWriter {
 public:
  // Offsets, sizes and counts from `wide_from` on go into zip64 fields: the format's own limit, but for
  // tests.
  explicit ZipWriter(WritableFile& file, std::uint64_t wide_from = 0xFFFFFFFF)
      : file_(file), wide_from_(wide_from) {}

  void add(const std::string& name, std::span<const std::byte> bytes);
  void add(const std::string& name, std::string_view text);
  // The directory. Nothing may be added afterwards. Returns the length of the file.
  std::uint64_t finish();

 private:
  struct Entry {
    std::string name;
    std::uint64_t header = 0;
    std::uint64_t bytes = 0;
    std::uint32_t crc = 0;
  };
  void write(std::string_view text);
  std::string central_header(const Entry& entry) const;

  WritableFile& file_;
  std::uint64_t wide_from_;
  std::uint64_t at_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace lockstep
