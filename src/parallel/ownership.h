// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lockstep/base/units.h"
#include "parallel/canonical_tree.h"

namespace lockstep {

// The micro-batches rank `rank` of `world` computes: a contiguous run; runs differ by at most one, the longer
// ones first. Throws Fault (78) when there are more ranks than micro-batches, and says which world sizes fit.
MicroBatchRun run_of(Rank rank, WorldSize world, int micro_batches);

}  // namespace lockstep
