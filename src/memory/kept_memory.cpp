// SPDX-License-Identifier: Apache-2.0
#include "memory/kept_memory.h"

#include <malloc.h>

#include <algorithm>
#include <cstdint>

namespace lockstep {
namespace {

// Idle memory that is not worth a call.
constexpr std::size_t kSlack = 16 * kChunk;

}  // namespace

KeptMemory::KeptMemory(std::unique_ptr<MemoryRange> range, MemoryRoom room)
    : range_(std::move(range)), ledger_(range_->size()), room_(std::move(room)) {}

std::optional<std::size_t> KeptMemory::offset_of(const void* place) const {
  const auto at = reinterpret_cast<std::uintptr_t>(place) - reinterpret_cast<std::uintptr_t>(base());
  return at < size() ? std::optional(at) : std::nullopt;
}

void* KeptMemory::take(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (gone_) return nullptr;
  const auto taken = ledger_.take(bytes);
  if (!taken) return nullptr;
  if (taken->fresh > 0) {
    ++use_.made;
    if (const std::size_t missing = room_.missing(taken->fresh); missing > 0) {
      give_back(missing);
      ::malloc_trim(0);
    }
  }
  ++use_.blocks;
  peak_of_step_ = std::max(peak_of_step_, ledger_.in_use());
  use_.peak = std::max(use_.peak, peak_of_step_);
  return base() + taken->offset;
}

void KeptMemory::give(void* block) {
  const std::lock_guard lock(mutex_);
  if (!gone_) ledger_.give(offset_of(block).value());
}

void KeptMemory::give_back(std::size_t bytes, std::uint32_t unused_steps) {
  for (const MemoryPart& part : ledger_.retire(bytes, unused_steps)) range_->give_back(part);
}

void KeptMemory::trim() {
  const std::lock_guard lock(mutex_);
  if (gone_) return;
  recent_peaks_[steps_++ % kSteps] = peak_of_step_;
  peak_of_step_ = ledger_.in_use();
  const std::size_t peak = *std::max_element(recent_peaks_.begin(), recent_peaks_.end());
  const std::size_t kept = peak + peak / 2 + kSlack;
  if (ledger_.touched() > kept) give_back(ledger_.touched() - kept);
  ledger_.next_step();
  // The first steps use what no later one does: start values, the model's check.
  if (steps_ == kSettled) give_back(size(), kSettled - 2);
  if (steps_ % kSteps == 0) give_back(size(), kSteps);
}

MemoryUse KeptMemory::use() const {
  const std::lock_guard lock(mutex_);
  MemoryUse use = use_;
  use.in_use = ledger_.in_use();
  use.idle = ledger_.touched() - ledger_.in_use();
  return use;
}

void KeptMemory::after_fork_in_child() {
  if (range_->backing() == Backing::kShared) {
    gone_ = true;
    range_->hold_addresses();
  }
  mutex_.unlock();
}

}  // namespace lockstep
