// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

#include "base/huge_pages.h"

namespace lockstep {

// Fits every disk and every page: what goes around the page cache has offsets, sizes and addresses that are
// multiples of this.
inline constexpr std::size_t kDirectAlignment = 4096;

constexpr std::size_t round_up_to_direct(std::size_t bytes) {
  return (bytes + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
}

// Memory that bytes can go through on their way around the page cache; not initialised. Local.
class AlignedBlock {
 public:
  // `bytes` is rounded up to the alignment.
  explicit AlignedBlock(std::size_t bytes)
      : size_(round_up_to_direct(bytes)),
        memory_(static_cast<std::byte*>(
            std::aligned_alloc(size_ < kHugePage ? kDirectAlignment : kHugePage, size_))) {
    if (memory_ == nullptr && size_ > 0) throw std::bad_alloc();
    prefer_huge_pages(memory_.get(), size_);
  }
  std::span<std::byte> bytes() { return {memory_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::size_t size_;
  std::unique_ptr<std::byte, Free> memory_;
};

}  // namespace lockstep
