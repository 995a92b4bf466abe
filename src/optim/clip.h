// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>

#include "optim/kernels/update_kernels.h"

namespace lockstep {

// Local. The 2-norm of a flat, contiguous float32 or float64 tensor, summed in float64. On the CPU the order
// of the sum is fixed by the size alone, not by the number of threads, so replicas with equal gradients get
// equal norms. Padding with zeros does not change it. Inf and NaN come out as such. On a device it waits for
// the result.
double global_norm(const torch::Tensor& flat);

// How many values the norm is summed over at a time; what a norm that is made in parts is cut at.
inline constexpr std::int64_t kNormBlock = 1 << 15;

// The squares of a block of at most that many values, summed in float64 in a fixed order; global_norm() is
// the root of the sum of those of all blocks, in their order. Local.
class BlockSquares {
 public:
  // Values behind those that were added before, of which there are whole rows of kSquareLanes.
  void add(const PendingMean<float>& values, std::int64_t count);
  void add(const PendingMean<double>& values, std::int64_t count);
  double sum() const;

 private:
  std::array<double, kSquareLanes> lanes_{};
};

// Local. What gradients of `norm` are multiplied with so that they have `max_norm` at most, as
// torch.nn.utils.clip_grad_norm_ does: max_norm / (norm + 1e-6) where that is below 1, else 1; NaN where the
// norm is. Throws Bug unless max_norm > 0.
double clip_scale(double norm, double max_norm);

// Local. Multiplies `flat` in place; a scale of 1 leaves its bits alone.
void scale_gradients(const torch::Tensor& flat, double scale);

}  // namespace lockstep
