// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "memory/kept_memory.h"

namespace lockstep {

// Local; by the main thread, while no other makes tensors. From here on CPU tensors of
// KeptMemory::kSmallest bytes and more lie in memory that stays mapped when they are freed: one range of
// addresses a process, as large as the machine's memory, of `backing` (the first call decides). Smaller ones,
// and those for which the range has no place, come from malloc as before, and end with LibTorch's words where
// there is no memory. A program that has set a CPU allocator of its own keeps it, and the log says so. False:
// tensors are not kept.
//
// Tensors made before stay where they are. In a child that forks tensors come from malloc when the range is a
// shared one, and those of its parent cannot be read there.
bool keep_tensors(Backing backing = Backing::kPrivate);

// Local. New tensors come from malloc again.
void stop_keeping_tensors();

// Local. What they lie in: what to hand to the ranks beside this one, and how much there is. Null where no
// range has been reserved.
KeptMemory* kept_tensors();

}  // namespace lockstep
