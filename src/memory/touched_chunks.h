// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/huge_pages.h"

namespace lockstep {

// What is counted, and given back to the system, as one.
inline constexpr std::size_t kChunk = kHugePage;

// A part of a range of memory.
struct MemoryPart {
  std::size_t offset = 0;
  std::size_t bytes = 0;

  std::size_t end() const { return offset + bytes; }
};

// Which chunks of a range cost memory: those that somebody was given since their pages were given back.
// Local; one thread at a time.
class TouchedChunks {
 public:
  explicit TouchedChunks(std::size_t bytes) : touched_(bytes / kChunk) {}

  // What will cost memory in addition when all of `part` is written.
  std::size_t fresh_bytes(const MemoryPart& part) const {
    std::size_t fresh = 0;
    for (std::size_t chunk = part.offset / kChunk; chunk * kChunk < part.end(); ++chunk)
      if (touched_[chunk] == 0) fresh += kChunk;
    return fresh;
  }
  void touch(const MemoryPart& part) {
    bytes_ += fresh_bytes(part);
    for (std::size_t chunk = part.offset / kChunk; chunk * kChunk < part.end(); ++chunk) touched_[chunk] = 1;
  }
  // False when it cost nothing.
  bool forget(std::size_t chunk) {
    if (touched_[chunk] == 0) return false;
    touched_[chunk] = 0;
    bytes_ -= kChunk;
    return true;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::vector<std::uint8_t> touched_;
  std::size_t bytes_ = 0;
};

}  // namespace lockstep
