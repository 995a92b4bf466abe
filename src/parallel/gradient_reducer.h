// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "lockstep/comm/world.h"
#include "parallel/contribution_stack.h"

namespace lockstep {

// Turns every rank's partial sums into the mean over all V micro-batches, the same bits on every rank.
class GradientReducer {
 public:
  virtual ~GradientReducer() = default;
  // Collective. `sums` are this rank's, in the order of micro-batches; they may be overwritten. Returns the
  // mean, [contribution_count]; valid until the next call.
  virtual torch::Tensor mean_over_micro_batches(const std::vector<PartialSum>& sums) = 0;
};

// What a reducer needs to know of the step; the world outlives the reducer.
struct ReducePlan {
  int micro_batches = 1;
  std::int64_t contribution_count = 0;
  torch::TensorOptions options;
};

// dist.reduce: exact. Note [fixed-order sum]: rank r receives the r-th slice of everybody's partial sums,
// adds them along the tree, and all slices are gathered. Traffic per rank: k (W-1)/W + (W-1)/W contributions,
// k the partial sums of a rank (1 when V / W is a power of two).
std::unique_ptr<GradientReducer> make_exact_reducer(World& world, const ReducePlan& plan);

// dist.reduce: fast. The backend's own all-reduce (ncclAllReduce, MPI_Allreduce) over the rank's total: the
// same bits only for the same world size.
std::unique_ptr<GradientReducer> make_fast_reducer(World& world, const ReducePlan& plan);

}  // namespace lockstep
