// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace lockstep {

// Fits every disk and every page: what goes around the page cache has offsets, sizes and addresses that are
// multiples of this.
inline constexpr std::size_t kDirectAlignment = 4096;

constexpr std::size_t round_up_to_direct(std::size_t bytes) {
  return (bytes + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
}

// Memory that bytes can go through on their way around the page cache; not initialised. Local. From a huge
// page on it is a mapping of its own, which ends with the block: malloc keeps what is freed
// (keep_freed_memory()), and would do so for each thread that has ever written a file.
class AlignedBlock {
 public:
  // `bytes` is rounded up to the alignment. Throws std::bad_alloc.
  explicit AlignedBlock(std::size_t bytes);
  std::span<std::byte> bytes() { return {memory_.get(), memory_.get_deleter().size}; }

 private:
  struct Release {
    std::size_t size;
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Release> memory_;
};

}  // namespace lockstep
