// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "optim/optimizer.h"

namespace lockstep {

// Local. torch.optim's Adam or, where options.type is adamw, AdamW over flat tensors; `options` were looked
// at.
std::unique_ptr<FlatOptimizer> make_flat_adam(const OptimOptions& options, const torch::Tensor& parameters,
                                              ParameterLayout layout);

}  // namespace lockstep
