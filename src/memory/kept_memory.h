// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "memory/block_ledger.h"
#include "memory/memory_range.h"
#include "memory/memory_room.h"

namespace lockstep {

struct MemoryUse {
  std::size_t in_use = 0;  // bytes of blocks that somebody has
  std::size_t idle = 0;    // bytes that cost memory and nobody has
  std::size_t peak = 0;    // most in use so far
  std::size_t blocks = 0;  // given out so far …
  std::size_t made = 0;    // … and those of them that took fresh memory
};

// Blocks of a range whose pages stay mapped when they are given back, so that the next step finds them there:
// a fresh page costs a fault and the zeroing of 4 KiB, many times what writing it costs. Blocks are whole
// pages. Note [bounded blocks] in block_ledger.h. Local; any thread, also one that gives back what another
// took.
class KeptMemory {
 public:
  // What is smaller is better off with malloc, which keeps it anyway.
  static constexpr std::size_t kSmallest = 64u << 10;
  // After so many calls of trim() what only the first steps have used goes back.
  static constexpr std::uint32_t kSettled = 8;

  KeptMemory(std::unique_ptr<MemoryRange> range, MemoryRoom room);

  // Null when the range has no such block left: the caller goes elsewhere. Before memory runs short (the
  // machine's, or that of a cgroup's limit) idle chunks go back to the system.
  void* take(std::size_t bytes);
  // `block`: what take() has given; owns() of it.
  void give(void* block);

  std::byte* base() const { return range_->base(); }
  std::size_t size() const { return range_->size(); }
  int descriptor() const { return range_->descriptor(); }
  bool owns(const void* place) const { return offset_of(place).has_value(); }
  // Where in the range; empty for what lies elsewhere.
  std::optional<std::size_t> offset_of(const void* place) const;

  // Between two steps: gives back to the system what nobody has had in the last 64 steps, and what costs
  // memory beyond 1.5 times the most that was in use in them. Nobody, no other process either, may read what
  // has been given back to this one.
  void trim();

  MemoryUse use() const;

  // Around fork(), for pthread_atfork. A child has a private range as it was, and of a shared one nothing: it
  // takes none and gives nothing back.
  void before_fork() { mutex_.lock(); }
  void after_fork_in_parent() { mutex_.unlock(); }
  void after_fork_in_child();

 private:
  static constexpr std::uint32_t kSteps = 64;

  void give_back(std::size_t bytes, std::uint32_t unused_steps = 0);

  const std::unique_ptr<MemoryRange> range_;
  mutable std::mutex mutex_;
  BlockLedger ledger_;
  MemoryRoom room_;
  MemoryUse use_;
  bool gone_ = false;  // in a child
  std::size_t steps_ = 0;
  std::size_t peak_of_step_ = 0;
  std::array<std::size_t, kSteps> recent_peaks_{};
};

}  // namespace lockstep
