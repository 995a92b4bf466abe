// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "parallel/arena.h"

namespace lockstep {

class HostDomain;
class SliceMeans;

// The norm of a mean gradient of which each rank of a domain makes slices: as global_norm() of all of it.
class SliceNorm {
 public:
  // Collective. `domain` and `arena` outlive it. Throws AgreedFault (69) where there is no room.
  SliceNorm(HostDomain& domain, const ModelArena& arena);

  // Collective, once the means are there. `parted`: a rank has those of its own part alone.
  double of(const SliceMeans& means, bool parted);

 private:
  HostDomain& domain_;
  const ModelArena& arena_;
  torch::Tensor squares_;  // in common: of each block of the gradient
};

}  // namespace lockstep
