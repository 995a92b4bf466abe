// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "optim/optimizer.h"

namespace lockstep {

// Local. The optimizer of the program's own that `options.own` is, over flat tensors like any other. Throws
// Bug for state without a name that is a plain word, or without an update; Fault (70) comes from update() for
// what the program throws, and where it puts another tensor in a parameter's place instead of changing it.
std::unique_ptr<FlatOptimizer> make_own_optimizer(const OptimOptions& options,
                                                  const torch::Tensor& parameters, ParameterLayout layout);

}  // namespace lockstep
