// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "parallel/gradient_reducer.h"

namespace lockstep {

// Collective. The mean of a whole contribution, at once.
inline torch::Tensor whole_mean(GradientReducer& reducer, const std::vector<PartialSum>& sums) {
  const Slice all{0, sums.front().flat.numel()};
  reducer.reduce(sums, {&all, 1});
  return reducer.mean();
}

}  // namespace lockstep
