// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "checkpoint/shard.h"
#include "lockstep/base/units.h"

namespace lockstep {

// Local. The tensors over `shards` files, shard-00000-of-00004.h5 and so on, of equal bytes: floating tensors
// of two dimensions and more are cut in dimension 0 between two digest leaves, all others stay whole. A share
// is within one leaf of the mean, but for a whole tensor that alone is larger. Small tensors that follow each
// other stay together. A shard may come out empty, and a tensor has at most one piece in a shard. Equal
// shapes give equal plans. Throws Bug for no shards.
ShardPlan plan_sharded(std::span<const StateTensor> tensors, int shards);

// Local. Do several ranks share a state of at least 64 MiB? Below that, opening more files costs more than
// writing them side by side gains.
bool worth_sharding(std::uint64_t state_bytes, WorldSize world);

}  // namespace lockstep
