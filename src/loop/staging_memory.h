// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

namespace lockstep {

// Address space of which only what is touched costs memory. Local.
class StagingMemory {
 public:
  // Throws Fault (69) when the kernel gives no such range.
  explicit StagingMemory(std::size_t bytes);
  ~StagingMemory();
  StagingMemory(const StagingMemory&) = delete;
  StagingMemory& operator=(const StagingMemory&) = delete;

  std::span<std::byte> bytes() const { return {base_, size_}; }
  // Makes the pages of a part real now: the first write to a fresh page costs many times a later one.
  void touch(std::span<std::byte> part) const;

 private:
  std::byte* base_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace lockstep
