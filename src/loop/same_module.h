// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <string>

#include "lockstep/comm/world.h"

namespace lockstep {

// Collective, before anything of a module is sent. Passes where all ranks have one of the same tensors (name,
// dtype, shape, requires_grad, in order) and the same `options`, a line about what else must be alike; else
// throws AgreedFault (78) with the first difference, here and on rank 0.
void require_same_module(World& world, const torch::nn::Module& module, const std::string& options = {});

}  // namespace lockstep
