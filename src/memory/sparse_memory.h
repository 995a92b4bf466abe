// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

namespace lockstep {

// Address space of which only what is touched costs memory, zeros at first. Local.
class SparseMemory {
 public:
  // `use` and `remedy` say what it is for, and what to do without it. Throws Fault (69) when the kernel gives
  // no such range.
  SparseMemory(std::size_t bytes, const char* use, const char* remedy);
  ~SparseMemory();
  SparseMemory(const SparseMemory&) = delete;
  SparseMemory& operator=(const SparseMemory&) = delete;

  std::span<std::byte> bytes() const { return {base_, size_}; }
  // Makes the pages of a part real now: the first write to a fresh page costs many times a later one.
  void touch(std::span<std::byte> part) const;
  // The pages that lie in a part as a whole cost nothing again, and are zeros.
  static void give_back(std::span<std::byte> part);

 private:
  std::byte* base_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace lockstep
