// SPDX-License-Identifier: Apache-2.0
#include "memory/block_ledger.h"

#include <algorithm>
#include <iterator>

#include "base/aligned_block.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

// Enough to find warm memory among runs of about one length, few enough to cost nothing.
constexpr int kLooks = 16;

}  // namespace

BlockLedger::BlockLedger(std::size_t bytes) : chunks_(bytes) {
  check(bytes > 0 && bytes % kChunk == 0, "a range is whole chunks");
  blocks_[0] = {bytes, false};
  idle_.insert({bytes, 0});
}

std::optional<BlockLedger::Taken> BlockLedger::choose(std::size_t bytes) const {
  std::optional<Taken> best;
  auto run = idle_.lower_bound({bytes, 0});
  for (int looks = 0; run != idle_.end() && looks < kLooks; ++run, ++looks) {
    const std::size_t fresh = chunks_.fresh_bytes({run->second, bytes});
    // One chunk more or less is where a run begins in its first.
    if (!best || fresh + kChunk < best->fresh) best = Taken{run->second, fresh};
    if (fresh == 0) break;
  }
  return best;
}

std::optional<BlockLedger::Taken> BlockLedger::take(std::size_t bytes) {
  // Also keeps the rounding from overflowing.
  if (bytes == 0 || idle_.empty() || bytes > idle_.rbegin()->first) return std::nullopt;
  bytes = round_up_to_direct(bytes);
  const auto taken = choose(bytes);
  if (!taken) return std::nullopt;
  Block& block = blocks_.at(taken->offset);
  idle_.erase({block.bytes, taken->offset});
  if (const std::size_t rest = block.bytes - bytes; rest > 0) {
    blocks_[taken->offset + bytes] = {rest, false};
    idle_.insert({rest, taken->offset + bytes});
  }
  block = {bytes, true};
  chunks_.touch({taken->offset, bytes});
  in_use_ += bytes;
  return taken;
}

void BlockLedger::join_next(Blocks::iterator block) {
  const auto next = std::next(block);
  if (next == blocks_.end() || next->second.used || block->second.used) return;
  idle_.erase({block->second.bytes, block->first});
  idle_.erase({next->second.bytes, next->first});
  block->second.bytes += next->second.bytes;
  idle_.insert({block->second.bytes, block->first});
  blocks_.erase(next);
}

void BlockLedger::give(std::size_t offset) {
  const auto block = blocks_.find(offset);
  check(block != blocks_.end() && block->second.used, "a block that is given back was taken");
  chunks_.touch({offset, block->second.bytes});
  block->second.used = false;
  in_use_ -= block->second.bytes;
  idle_.insert({block->second.bytes, offset});
  join_next(block);
  if (block != blocks_.begin()) join_next(std::prev(block));
}

std::vector<MemoryPart> BlockLedger::retire(std::size_t bytes, std::uint32_t unused_steps) {
  std::vector<MemoryPart> gone;
  std::size_t found = 0;
  for (auto run = blocks_.rbegin(); run != blocks_.rend() && found < bytes; ++run) {
    if (run->second.used) continue;
    const std::size_t first = (run->first + kChunk - 1) / kChunk;
    std::size_t chunk = std::min((run->first + run->second.bytes) / kChunk, chunks_.end());
    while (chunk > first && found < bytes) {
      if (!chunks_.forget(--chunk, unused_steps)) continue;
      found += kChunk;
      if (!gone.empty() && gone.back().offset == (chunk + 1) * kChunk)
        gone.back() = {chunk * kChunk, gone.back().bytes + kChunk};
      else
        gone.push_back({chunk * kChunk, kChunk});
    }
  }
  return gone;
}

}  // namespace lockstep
