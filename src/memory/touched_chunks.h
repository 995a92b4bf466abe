// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
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

// Which chunks of a range cost memory: those that somebody was given since their pages were given back; and
// when that was. Local; one thread at a time.
class TouchedChunks {
 public:
  explicit TouchedChunks(std::size_t bytes) : used_(bytes / kChunk, kNever) {}

  // What will cost memory in addition when all of `part` is written.
  std::size_t fresh_bytes(const MemoryPart& part) const {
    std::size_t fresh = 0;
    for (std::size_t chunk = part.offset / kChunk; chunk * kChunk < part.end(); ++chunk)
      if (used_[chunk] == kNever) fresh += kChunk;
    return fresh;
  }
  // `part` is taken, or given back.
  void touch(const MemoryPart& part) {
    bytes_ += fresh_bytes(part);
    std::size_t chunk = part.offset / kChunk;
    for (; chunk * kChunk < part.end(); ++chunk) used_[chunk] = now_;
    end_ = std::max(end_, chunk);
  }
  // False when it cost nothing, or somebody has had it in the last `steps` steps.
  bool forget(std::size_t chunk, std::uint32_t steps) {
    if (used_[chunk] == kNever || now_ - used_[chunk] < steps) return false;
    used_[chunk] = kNever;
    bytes_ -= kChunk;
    return true;
  }
  void next_step() { ++now_; }

  std::size_t bytes() const { return bytes_; }
  // Chunks from here on were never touched.
  std::size_t end() const { return end_; }

 private:
  static constexpr std::uint32_t kNever = 0;

  std::vector<std::uint32_t> used_;  // the step in which somebody had it
  std::uint32_t now_ = 1;
  std::size_t bytes_ = 0;
  std::size_t end_ = 0;
};

}  // namespace lockstep
