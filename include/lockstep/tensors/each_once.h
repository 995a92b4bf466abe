// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/types.h>

#include <vector>

namespace lockstep {

// Local. The same tensors in their order, each once: LibTorch's parameters() lists a tensor that is
// registered under two names (tied weights) twice, where Python's lists it once, and its optimizers then
// update it twice in a step.
//
//   torch::optim::AdamW optimizer(each_once(net->parameters()), 1e-3);
std::vector<torch::Tensor> each_once(std::vector<torch::Tensor> tensors);

}  // namespace lockstep
