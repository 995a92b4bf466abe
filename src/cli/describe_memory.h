// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lockstep/comm/world.h"
#include "train/rank_memory.h"

namespace lockstep {

// Collective. The memory of the host that has to have the most, on rank 0, a line for what it is made of;
// empty on the others.
std::string describe_memory(World& world, const RankMemory& mine);

}  // namespace lockstep
