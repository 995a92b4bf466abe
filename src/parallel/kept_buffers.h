// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <vector>

#include "parallel/arena.h"

namespace lockstep {

// A copy of all buffers of a model, to put back what a forward changes on its way. The arena outlives it.
// Local.
class KeptBuffers {
 public:
  explicit KeptBuffers(const ModelArena& arena);

  // Copies them again, as they are now.
  void keep();
  void put_back() const;
  // [buffers], of the arena's dtype: for each floating buffer 1 where its bits are others now, else 0.
  torch::Tensor changed() const;
  // Also between a forward and its backward, which needs the others as they are.
  void put_back_integers() const;

 private:
  const ModelArena& arena_;
  torch::Tensor floating_;
  std::vector<torch::Tensor> integers_;
};

}  // namespace lockstep
