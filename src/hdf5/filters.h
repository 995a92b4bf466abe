// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "hdf5/metadata_file.h"

namespace lockstep {

// What was done to each chunk before it was written, in that order: gzip, shuffle, fletcher32 and h5py's lzf.
class Hdf5Filters {
 public:
  Hdf5Filters() = default;
  // Reads a filter message; elements are of that many bytes. Throws Fault (65) naming the first filter that
  // is not known, and for two that compress, since nothing would say how large what is between them may
  // become.
  Hdf5Filters(const Hdf5MetadataFile& file, const std::string& where, Hdf5Cursor in,
              std::uint64_t element_bytes);

  bool empty() const { return filters_.empty(); }
  // None of them was done to a chunk of that mask.
  bool leaves_alone(std::uint32_t mask) const;
  // The most bytes that `packed` of them can unpack to.
  std::uint64_t most_unpacked(std::uint32_t mask, std::uint64_t packed) const;
  // Local. Fills `into`, all of it, from a chunk as it was written. Throws Fault (65) naming `origin` when
  // its checksum is another, or when it does not unpack to just that length.
  void undo(std::span<const std::byte> packed, std::uint32_t mask, std::span<std::byte> into,
            const std::string& origin) const;

 private:
  enum class Kind : std::uint16_t { kGzip = 1, kShuffle = 2, kFletcher32 = 3, kLzf = 32000 };
  bool is_used(std::size_t filter, std::uint32_t mask) const { return (mask >> filter & 1) == 0; }
  static bool compresses(Kind kind) { return kind == Kind::kGzip || kind == Kind::kLzf; }

  std::vector<Kind> filters_;
  std::size_t element_bytes_ = 1;  // of shuffle
};

}  // namespace lockstep
