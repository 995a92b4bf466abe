// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "checkpoint/shard.h"
#include "lockstep/comm/world.h"
#include "loop/saved_state.h"
#include "shelf/options.h"

namespace lockstep {

// Local. The state as it is to be written, and what each rank writes of it; the same on every rank. `record`
// is not copied. With checkpoint.async the bytes of a device are those of an earlier copy.
PlannedState plan_save(SavedState& state, const TrainRecord& record, const CheckpointOptions& options,
                       WorldSize world);

// The pieces of the shard that a rank writes; none where it writes none.
std::span<const ShardPiece> pieces_of_rank(const ShardPlan& plan, Rank rank);

}  // namespace lockstep
