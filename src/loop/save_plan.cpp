// SPDX-License-Identifier: Apache-2.0
#include "loop/save_plan.h"

#include "checkpoint/manifest.h"
#include "checkpoint/shard_plan.h"

namespace lockstep {

PlannedState plan_save(SavedState& state, const TrainRecord& record, const CheckpointOptions& options,
                       WorldSize world) {
  PlannedState planned = plan_state({{}, options.async ? state.host_tensors() : state.tensors()});
  planned.record = &record;
  const bool sharded = options.layout == SaveLayout::kSharded ||
                       (options.layout == SaveLayout::kAuto && worth_sharding(state.bytes(), world));
  if (sharded) planned.plan = plan_sharded(planned.tensors, world.value);
  return planned;
}

std::span<const ShardPiece> pieces_of_rank(const ShardPlan& plan, Rank rank) {
  const auto shard = static_cast<std::size_t>(rank.value);
  if (shard >= plan.shards.size()) return {};
  return plan.shards[shard].pieces;
}

}  // namespace lockstep
