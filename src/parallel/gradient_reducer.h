// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <memory>
#include <span>
#include <vector>

#include "lockstep/comm/world.h"
#include "parallel/contribution_stack.h"
#include "tensors/slice.h"

namespace lockstep {

// Turns every rank's partial sums into the mean over all V micro-batches, the same bits on every rank; some
// ranges of a contribution at a time, in any cut.
class GradientReducer {
 public:
  virtual ~GradientReducer() = default;
  // Collective, with the same ranges on all ranks. `sums` are this rank's, in the order of micro-batches;
  // with several ranks they are only read, so that a range can be reduced once more. On a device it is
  // enqueued on the current stream.
  void reduce(const std::vector<PartialSum>& sums, std::span<const Slice> ranges) {
    scatter(sums, ranges);
    gather(ranges);
  }
  // The two halves of it: after the first this rank has the mean of its part of each range, and of what is
  // left over (RankCut), at least.
  virtual void scatter(const std::vector<PartialSum>& sums, std::span<const Slice> ranges) = 0;
  virtual void gather(std::span<const Slice> ranges) = 0;
  // Local. [contribution_count]: the mean in the ranges that were reduced; valid until the next reduce().
  virtual const torch::Tensor& mean() const = 0;
};

// What a reducer needs to know of the step; the world outlives the reducer.
struct ReducePlan {
  int micro_batches = 1;
  std::int64_t contribution_count = 0;
  torch::TensorOptions options;
};

// dist.reduce: exact. Note [fixed-order sum]: rank r receives the r-th part of a range of everybody's partial
// sums, adds them along the tree, and all parts are gathered. What is left over when a range is cut into
// equal parts, less than 64 elements a rank, everybody receives from everybody and adds. Traffic per rank: k
// (W-1)/W + (W-1)/W contributions, k the partial sums of a rank (1 when V / W is a power of two).
std::unique_ptr<GradientReducer> make_exact_reducer(World& world, const ReducePlan& plan);

// dist.reduce: fast. The backend's own all-reduce (ncclAllReduce, MPI_Allreduce) over the rank's total: the
// same bits only for the same world size.
std::unique_ptr<GradientReducer> make_fast_reducer(World& world, const ReducePlan& plan);

}  // namespace lockstep
