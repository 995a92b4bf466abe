// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace lockstep {

class HostBatch;

// Micro-batches of a step, in order.
using MicroBatches = std::vector<HostBatch>;

}  // namespace lockstep
