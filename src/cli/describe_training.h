// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/job.h"

namespace lockstep {

// Collective. What `train` would do, on rank 0's standard output: steps, who computes which micro-batches,
// parameters, the size of a checkpoint, the memory of a host. Opens the data, builds the model and computes a
// micro-batch, writes nothing. Returns the exit code; throws what training would throw up to there.
int describe_training(Job& job, const Registries& registries);

}  // namespace lockstep
