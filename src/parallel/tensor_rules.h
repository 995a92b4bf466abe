// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

namespace lockstep {

// Local. Throws Fault (78) naming the first tensor of `model` that could not be kept as it is meant: a
// parameter that is complex, an integer, not dense, or computed from others; a complex buffer, or one that is
// a parameter, too; two different tensors over the same memory, which would be two from then on. Before the
// model is moved or laid out: that would hide all of this.
void require_ordinary_tensors(const torch::nn::Module& model);

}  // namespace lockstep
