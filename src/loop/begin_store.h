// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "lockstep/comm/world.h"
#include "shelf/store.h"

namespace lockstep {

// Beside weights.h5: a checkpoint's tensors and what HDF5 and the manifest add to them.
std::uint64_t room_for_one_checkpoint(std::uint64_t tensor_bytes);

// Collective. The store's folder is made ready on rank 0, and all ranks enter the generation of this life.
// Throws AgreedFault (73).
void begin_store(World& world, CheckpointStore& store, std::uint64_t bytes_needed, Attempt attempt);

}  // namespace lockstep
