// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "lockstep/comm/world.h"

namespace lockstep {

// Local. A world of one that talks to nobody; MPI is not started.
World world_of_one();

// Local. Runs `body` once a rank, each on a thread of its own, and waits for all of them. When a rank throws,
// the others' blocking calls throw Fault (76); then what the first one threw is thrown again here.
void run_loopback(WorldSize size, const std::function<void(World&)>& body);

}  // namespace lockstep
