// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>

namespace lockstep {

// Note [counter-based randomness]: nothing in Lockstep draws from a stream whose position is state. Every
// random number is a pure function of a key made from what it is for (seed, step, micro-batch; seed, epoch,
// index), so a resumed run, or one on another number of ranks, draws the same numbers without anything to
// restore.

// Mixes the parts, in order, into one 64-bit key (SplitMix64 finalizer per part; Steele, Lea, Flood 2014).
std::uint64_t mix_key(std::initializer_list<std::uint64_t> parts);

// A pseudo-random bijection of [0, size) with O(1) evaluation in both directions of time: the sample order of
// an epoch. A balanced Feistel network over the next even power of two, cycle-walked into range (Black and
// Rogaway 2002).
class Permutation {
 public:
  // Throws Bug unless size >= 1.
  Permutation(std::uint64_t size, std::uint64_t key);

  // Where position `index` (0 <= index < size) goes.
  std::uint64_t operator()(std::uint64_t index) const;

 private:
  std::uint64_t size_;
  std::uint64_t key_;
  int half_bits_;
};

}  // namespace lockstep
