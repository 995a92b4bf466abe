// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "memory/kept_memory.h"

namespace lockstep {

// Local; by the main thread, while no other makes tensors. From here on CPU tensors of
// KeptMemory::kSmallest bytes and more lie in memory that stays mapped when they are freed: one range of
// addresses a process, as large as the machine's memory, and what Birthplaces there are. Smaller ones, and
// those for which the range has no place, come from malloc as before, and end with LibTorch's words where
// there is no memory. A program that has set a CPU allocator of its own keeps it, and the log says so. False:
// tensors are not kept.
//
// Tensors made before stay where they are.
bool keep_tensors();

// Local. New tensors come from malloc again.
void stop_keeping_tensors();

// Local, between two steps: KeptMemory::trim() wherever tensors are kept.
void trim_kept_tensors();

// Local. What they lie in. Null where no range has been reserved.
KeptMemory* kept_tensors();

}  // namespace lockstep
