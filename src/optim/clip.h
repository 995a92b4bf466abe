// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/types.h>

namespace lockstep {

// Local. The 2-norm of a flat, contiguous float32 or float64 tensor, summed in float64. On the CPU the order
// of the sum is fixed by the size alone, not by the number of threads, so replicas with equal gradients get
// equal norms. Padding with zeros does not change it. Inf and NaN come out as such. On a device it waits for
// the result.
double global_norm(const torch::Tensor& flat);

// Local. Scales `flat` in place by max_norm / (norm + 1e-6) where that is below 1:
// torch.nn.utils.clip_grad_norm_ with a norm that is already known. Throws Bug unless max_norm > 0.
void clip_to_norm(const torch::Tensor& flat, double norm, double max_norm);

}  // namespace lockstep
