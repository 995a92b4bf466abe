// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "memory/touched_chunks.h"

namespace lockstep {

// Who has which bytes of a range, and which of them cost memory. Blocks are whole pages. Nothing here touches
// the range, so a block that its owner writes beyond spoils no bookkeeping. Local; one thread at a time.
//
// Note [bounded blocks]: a block is the smallest idle run that is long enough (of the first kLooks of those,
// one whose pages are still there), cut at its low end, and joined with its idle neighbours when it is given
// back. So nothing is kept for a size that no longer comes: what 1,000 steps of changing shapes have freed is
// one run again as soon as its neighbours are free. Memory is bounded whatever the shapes do: retire() takes
// idle chunks wherever they lie, and its caller asks for those that no step of late has used, and for all
// beyond 1.5 times the recent peak in use; only chunks that an occupied block shares are out of its reach.
// Addresses: fragments can cost a factor of the logarithm of the sizes (Robson's bound) and the range is as
// large as the machine's memory; when it is full all the same, take() says so and the block comes from
// malloc. A step that repeats the one before it takes the same blocks in the same order from the same runs,
// so from the second on it touches nothing new.
class BlockLedger {
 public:
  struct Taken {
    std::size_t offset = 0;
    std::size_t fresh = 0;  // bytes that cost memory only from now on
  };

  // `bytes`: whole chunks.
  explicit BlockLedger(std::size_t bytes);

  // Empty when no idle run is long enough.
  std::optional<Taken> take(std::size_t bytes);
  // `offset`: what take() has given. Throws Bug for another.
  void give(std::size_t offset);
  // Idle chunks that cost memory and that nobody has had in the last steps, from the highest on, until they
  // are `bytes` or no more are there. From here on they cost none: the caller gives their pages back.
  std::vector<MemoryPart> retire(std::size_t bytes, std::uint32_t unused_steps = 0);
  void next_step() { chunks_.next_step(); }

  std::size_t in_use() const { return in_use_; }
  // What the range costs, idle or not.
  std::size_t touched() const { return chunks_.bytes(); }
  std::size_t idle_runs() const { return idle_.size(); }

 private:
  struct Block {
    std::size_t bytes = 0;
    bool used = false;
  };
  using Blocks = std::map<std::size_t, Block>;

  // The idle run to cut; the fresh bytes it would cost.
  std::optional<Taken> choose(std::size_t bytes) const;
  void join_next(Blocks::iterator block);

  Blocks blocks_;                                       // by offset, without gaps
  std::set<std::pair<std::size_t, std::size_t>> idle_;  // length, offset
  TouchedChunks chunks_;
  std::size_t in_use_ = 0;
};

}  // namespace lockstep
