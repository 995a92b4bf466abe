// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <vector>

#include "optim/optimizer.h"
#include "parallel/arena.h"
#include "parallel/gradient_exchange.h"

namespace lockstep {

// The mean over a step's micro-batches for one arena, by its parts. Local. The arena outlives it; the tensors
// are somebody else's.
class StepMean {
 public:
  // `flat`: laid out as a contribution.
  StepMean(const ModelArena& arena, const torch::Tensor& flat)
      : StepMean(
            arena, flat.narrow(0, 0, arena.trainable_count()),
            flat.narrow(0, arena.trainable_count(), arena.contribution_count() - arena.trainable_count())) {}
  // In two pieces: `rest` is what lies behind the gradients.
  StepMean(const ModelArena& arena, torch::Tensor gradients, torch::Tensor rest)
      : arena_(arena), gradients_(std::move(gradients)), rest_(std::move(rest)) {}

  // Flat, as the arena's trainable parameters are laid out.
  const torch::Tensor& gradients() const { return gradients_; }
  double loss() const { return rest_[arena_.loss_offset() - arena_.trainable_count()].item<double>(); }
  // For each of trainable(): did any micro-batch of any rank reach it?
  std::vector<char> reached() const;

  // One update with the gradients times rate.scale, and take_over_buffers(). A parameter that no micro-batch
  // reached stays as it is. Null: nothing in the arena is trained.
  void apply(FlatOptimizer* optimizer, const UpdateRate& rate) const;
  // After the pass: the floating buffers become the mean of what the micro-batches left. One that none of
  // them changed keeps its bits: the mean of equal numbers may round, and overflows beside the largest (a
  // mask).
  void take_over_buffers() const;
  // .grad of each trainable parameter becomes its mean, whatever was there; undefined, as torch.optim sees a
  // parameter that nothing reached.
  void give_gradients() const { give_gradients({{}, gradients_, {}}); }
  // The same, of means that lie where `mean` has the gradients.
  void give_gradients(const PartialSum& mean) const;

 private:
  // For each of `count` numbers from `offset` of a contribution on: is it more than 0?
  std::vector<char> any(std::int64_t offset, std::int64_t count) const;

  const ModelArena& arena_;
  torch::Tensor gradients_;
  torch::Tensor rest_;
};

}  // namespace lockstep
