// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lockstep/comm/world.h"
#include "parallel/canonical_tree.h"

namespace lockstep {

// The micro-batches rank `rank` of `world` computes: a contiguous run; runs differ by at most one, the longer
// ones first. Throws Fault (78) when there are more ranks than micro-batches, and says which world sizes fit.
MicroBatchRun run_of(Rank rank, WorldSize world, int micro_batches);
// The same where ranks stand in the order of hosts (Place::positions).
MicroBatchRun run_of(const World& world, Rank rank, int micro_batches);
inline MicroBatchRun run_of(const World& world, int micro_batches) {
  return run_of(world, world.rank(), micro_batches);
}

// The nodes of the partial sums that `rank` ends a step with.
std::vector<MicroBatchRun> nodes_of(const World& world, Rank rank, int micro_batches);
// The largest nodes that those of these ranks make up together.
std::vector<MicroBatchRun> nodes_of(const World& world, const std::vector<int>& ranks, int micro_batches);

}  // namespace lockstep
