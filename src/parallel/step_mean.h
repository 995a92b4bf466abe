// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <vector>

#include "parallel/arena.h"

namespace lockstep {

// What a reducer returned for one arena, the mean over a step's micro-batches, by its parts. Local. The arena
// outlives it; the tensors are views of what the reducer owns.
class StepMean {
 public:
  StepMean(const ModelArena& arena, torch::Tensor flat) : arena_(arena), flat_(std::move(flat)) {}

  // Flat, as the arena's trainable parameters are laid out.
  torch::Tensor gradients() const { return flat_.narrow(0, 0, arena_.trainable_count()); }
  double loss() const { return flat_[arena_.loss_offset()].item<double>(); }
  // For each of trainable(): did any micro-batch of any rank reach it?
  std::vector<char> reached() const;

  // The floating buffers become the mean of what the micro-batches left.
  void take_over_buffers() const;
  // .grad of each trainable parameter becomes its mean, whatever was there; undefined, as torch.optim sees a
  // parameter that nothing reached.
  void give_gradients() const;

 private:
  const ModelArena& arena_;
  torch::Tensor flat_;
};

}  // namespace lockstep
