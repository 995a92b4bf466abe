// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <string>
#include <utility>
#include <vector>

#include "lockstep/base/hash.h"
#include "lockstep/base/units.h"
#include "parallel/arena.h"
#include "parallel/contribution_stack.h"

namespace lockstep {

// Note [model check]: what a micro-batch gives must be a function of its samples, the parameters, the buffers
// at the step's beginning and the generator (Note [equal start]); state anywhere else makes results depend on
// the number of ranks, and is lost at a resume. So once a run a micro-batch of its first step is computed
// again, after the others, and all its bits are compared. Nothing of the run is changed by it: buffers and
// generators are put back.

// What one micro-batch left: a digest of the loss, each gradient and each buffer. Local.
class MicroBatchBits {
 public:
  // `sum` has this micro-batch alone.
  MicroBatchBits(const ModelArena& arena, const PartialSum& sum);

  // "the loss (2.31 then 2.29), the gradient of fc.weight and 7 more"; empty when all bits are equal.
  std::string difference(const MicroBatchBits& again) const;

 private:
  double loss_ = 0;
  std::vector<std::pair<std::string, Digest>> parts_;  // what it is, its bits
};

// Throws Fault (78): the model is not such a function, `what` is how that shows.
[[noreturn]] void refuse_model(std::int64_t step, int micro_batch, const std::string& what);

}  // namespace lockstep
