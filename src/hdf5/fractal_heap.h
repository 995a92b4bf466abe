// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "hdf5/metadata_file.h"

namespace lockstep {

// The heap that groups with many links, and objects with many or large attributes, keep these in. Local.
class Hdf5FractalHeap {
 public:
  // Throws Fault (65) for a heap that is damaged or filtered.
  Hdf5FractalHeap(const Hdf5MetadataFile& file, std::uint64_t address);

  std::size_t id_bytes() const { return id_bytes_; }
  // The bytes that a heap ID names; valid as long as the heap. Throws Fault (65).
  std::span<const std::byte> object(std::span<const std::byte> id);

 private:
  // Blocks of the same size lie in a row of the table; `base` is where the heap's own addresses begin in one.
  struct Block {
    std::uint64_t address = kNoAddress;
    std::uint64_t base = 0;
  };
  struct Entry {
    std::uint64_t row = 0;
    std::uint64_t column = 0;
    std::uint64_t bytes = 0;  // of the block there
    std::uint64_t base = 0;   // relative to the table
  };

  void read_header(std::uint64_t address);
  std::span<const std::byte> managed(std::uint64_t offset, std::uint64_t length);
  std::span<const std::byte> huge(Hdf5Cursor id);
  Entry locate(std::uint64_t offset) const;
  Block child_of(const Block& table, std::uint64_t rows, const Entry& entry);
  std::span<const std::byte> direct_block(const Block& block, std::uint64_t bytes);
  std::span<const std::byte> load(std::uint64_t address, std::uint64_t bytes);

  const Hdf5MetadataFile& file_;
  std::uint64_t id_bytes_ = 0;
  bool has_checksums_ = false;
  std::uint64_t huge_tree_ = kNoAddress;
  std::uint64_t width_ = 0;
  std::uint64_t first_bytes_ = 0;   // of the blocks of rows 0 and 1
  std::uint64_t direct_bytes_ = 0;  // blocks above this are tables
  std::size_t offset_bytes_ = 0;
  std::size_t length_bytes_ = 0;
  Block root_;
  std::uint64_t root_rows_ = 0;
  std::map<std::uint64_t, std::vector<std::byte>> loaded_;  // by address
  std::uint64_t loaded_bytes_ = 0;
};

}  // namespace lockstep
