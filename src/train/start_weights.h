// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "checkpoint/weights.h"

namespace lockstep {

// Local. Fills the parameters and buffers of `model` in place; floating tensors are converted to the model's
// dtype. Tensors whose names match a glob in `skip` keep their values and are returned. Throws Fault (78)
// that names the first tensor that is missing, is left over or has another shape.
std::vector<std::string> fill_model(torch::nn::Module& model, const WeightsSource& source,
                                    const std::vector<std::string>& skip);

}  // namespace lockstep
