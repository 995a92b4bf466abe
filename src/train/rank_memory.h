// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/process_memory.h"

namespace lockstep {

// What one rank takes of its host's memory while it trains, in bytes. Of parts that the ranks of a host have
// once, the first rank of a host has all and the others nothing: so all members but `program` and `mapped`
// may be added.
struct RankMemory {
  ProcessMemory start;     // before there was a model
  ProcessMemory first;     // after the first steps: with what making all that has left idle
  ProcessMemory training;  // once that has gone back to the system
  // Of what is there while it trains, what can be said without looking: the rest is what computing takes.
  std::uint64_t parameters = 0;  // and buffers
  std::uint64_t optimizer = 0;
  std::uint64_t gradients = 0;
  std::uint64_t staging = 0;  // for saves beside the training
  std::uint64_t batches = 0;  // that were read, and are read ahead
  // Not looked at, because a rehearsal writes nothing; one is over before the other begins.
  std::uint64_t writing = 0;  // blocks of a checkpoint's file on their way, and state fetched for it
  std::uint64_t weights = 0;  // the model once more, for weights.h5 at the end, and blocks of that
};

}  // namespace lockstep
