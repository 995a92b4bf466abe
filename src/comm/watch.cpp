// SPDX-License-Identifier: Apache-2.0
#include "lockstep/comm/watch.h"

#include <algorithm>
#include <chrono>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

std::int64_t now_ns() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

void raise_to(std::atomic<std::int64_t>& most, std::int64_t value) {
  std::int64_t known = most.load(std::memory_order_relaxed);
  while (value > known && !most.compare_exchange_weak(known, value, std::memory_order_relaxed)) {
  }
}

}  // namespace

std::string_view name_of(Phase phase) {
  static constexpr std::array<std::string_view, kPhases> kNames = {
      "start-up", "data", "compute", "exchange", "optimizer", "evaluation", "save", "journal", "loop", "end"};
  const auto index = static_cast<std::size_t>(phase);
  return index < kNames.size() ? kNames[index] : "an unknown phase";
}

bool is_storage(Phase phase) {
  return phase == Phase::kSave || phase == Phase::kJournal;
}

Phase Watch::enter(Phase phase) {
  const std::int64_t now = now_ns();
  const Phase before = phase_.load(std::memory_order_relaxed);
  const std::int64_t since = since_.load(std::memory_order_relaxed);
  if (since != 0) raise_to(longest_[static_cast<std::size_t>(before)], now - since);
  if (entered_ != 0) spent_[static_cast<std::size_t>(before)] += now - entered_;
  if (entered_ != 0 && observer_ != nullptr) observer_->phase_ended(before, entered_, now);
  entered_ = now;
  // The time first: whoever reads the new phase then never sees it with the old one's beginning.
  since_.store(now, std::memory_order_release);
  phase_.store(phase, std::memory_order_release);
  return before;
}

void Watch::collective_begins(const char* name, std::uint64_t bytes) {
  const std::thread::id reserved = reserved_.load(std::memory_order_acquire);
  check(reserved == std::thread::id() || reserved == std::this_thread::get_id(),
        "nobody calls a collective in a backward pass while gradients leave (dist.overlap: off lets them)");
  const std::int64_t now = now_ns();
  const std::int64_t since = since_.load(std::memory_order_relaxed);
  const auto phase = static_cast<std::size_t>(phase_.load(std::memory_order_relaxed));
  if (since != 0) raise_to(longest_[phase], now - since);
  const std::int64_t sequence = sequence_.load(std::memory_order_relaxed) + 1;
  Slot& slot = slots_[static_cast<std::size_t>(sequence) % kRing];
  slot.name.store(name, std::memory_order_relaxed);
  slot.bytes.store(bytes, std::memory_order_relaxed);
  slot.began.store(now, std::memory_order_relaxed);
  slot.ended.store(0, std::memory_order_relaxed);
  slot.sequence.store(sequence, std::memory_order_release);
  sequence_.store(sequence, std::memory_order_release);
}

void Watch::collective_ends() {
  const std::int64_t now = now_ns();
  Slot& slot = slots_[static_cast<std::size_t>(sequence_.load(std::memory_order_relaxed)) % kRing];
  raise_to(longest_call_, now - slot.began.load(std::memory_order_relaxed));
  since_.store(now, std::memory_order_release);
  slot.ended.store(now, std::memory_order_release);
  if (observer_ != nullptr) observer_->collective_ended(read(slot));
}

void Watch::worked(double seconds) {
  works_[static_cast<std::size_t>(work_count_)] = seconds;
  if (++work_count_ < kBlock) return;
  work_count_ = 0;
  std::nth_element(works_.begin(), works_.begin() + kBlock / 2, works_.end());
  block_s_.store(works_[kBlock / 2], std::memory_order_relaxed);
  block_.fetch_add(1, std::memory_order_release);
}

CollectiveCall Watch::read(const Slot& slot) const {
  CollectiveCall call;
  call.sequence = slot.sequence.load(std::memory_order_acquire);
  call.ended_ns = slot.ended.load(std::memory_order_acquire);
  call.name = slot.name.load(std::memory_order_relaxed);
  call.bytes = slot.bytes.load(std::memory_order_relaxed);
  call.began_ns = slot.began.load(std::memory_order_relaxed);
  return call;
}

Watch::Glimpse Watch::look() const {
  Glimpse seen;
  seen.phase = phase_.load(std::memory_order_acquire);
  const auto sequence = static_cast<std::size_t>(sequence_.load(std::memory_order_acquire));
  seen.newest = read(slots_[sequence % kRing]);
  seen.since_ns = since_.load(std::memory_order_acquire);
  seen.longest_ns = longest_[static_cast<std::size_t>(seen.phase)].load(std::memory_order_relaxed);
  seen.longest_call_ns = longest_call_.load(std::memory_order_relaxed);
  seen.block = block_.load(std::memory_order_acquire);
  seen.block_s = block_s_.load(std::memory_order_relaxed);
  return seen;
}

std::array<CollectiveCall, Watch::kRing> Watch::ring() const {
  std::array<CollectiveCall, kRing> calls;
  const auto newest = static_cast<std::size_t>(sequence_.load(std::memory_order_acquire));
  for (std::size_t i = 0; i < kRing; ++i) calls[i] = read(slots_[(newest + 1 + i) % kRing]);
  return calls;
}

void Watch::pardon() {
  const std::int64_t now = now_ns();
  if (since_.load(std::memory_order_relaxed) != 0) since_.store(now, std::memory_order_release);
  Slot& slot = slots_[static_cast<std::size_t>(sequence_.load(std::memory_order_acquire)) % kRing];
  slot.began.store(now, std::memory_order_release);
}

}  // namespace lockstep
