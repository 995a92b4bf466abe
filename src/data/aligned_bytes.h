// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

namespace lockstep {

// Memory that starts at a multiple of 64: MKL promises equal bits only for such operands.
class AlignedBytes {
 public:
  // Keeps the memory when it is large enough; the contents are undefined afterwards.
  void resize(std::size_t bytes) {
    size_ = bytes;
    if (bytes <= capacity_ && memory_ != nullptr) return;
    // aligned_alloc asks for a multiple of the alignment.
    const std::size_t rounded = (bytes / kAlignment + 1) * kAlignment;
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded)));
    capacity_ = 0;
    if (memory_ == nullptr) throw std::bad_alloc();
    capacity_ = rounded;
  }
  std::span<std::byte> span() { return {memory_.get(), size_}; }
  std::span<const std::byte> span() const { return {memory_.get(), size_}; }

 private:
  static constexpr std::size_t kAlignment = 64;
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace lockstep
