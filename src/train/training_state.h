// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

#include "checkpoint/state.h"
#include "lockstep/models/model.h"
#include "optim/optimizer.h"
#include "parallel/arena.h"
#include "train/device.h"

namespace lockstep {

// Everything a step changes and a checkpoint keeps: parameters, buffers and optimizer slots.
class TrainingState {
 public:
  // Moves the model to its final dtype and device, lays it out in an arena and makes its optimizer.
  TrainingState(std::shared_ptr<Model> model, const OptimOptions& optim, const ComputeDevice& compute);

  Model& model() { return *model_; }
  const ModelArena& arena() const { return arena_; }
  FlatOptimizer& optimizer() { return *optimizer_; }
  const ComputeDevice& compute() const { return compute_; }

  // Local. One update: `mean` is what the reducer returned (gradients, then the buffers' new values).
  void apply(const torch::Tensor& mean, double lr);

  // A tensor that checkpoints keep.
  struct Persisted {
    TensorKey key;
    std::vector<std::int64_t> shape;
    torch::Tensor live;
    torch::Tensor host;   // live itself, where that is in host memory; else pinned memory
    bool steady = false;  // changed by apply() alone; the others also while a step is computed
  };
  const std::vector<Persisted>& persisted() const { return persisted_; }

  // Local. All persisted tensors, in host memory that stays valid until the next call of either function. On
  // the CPU no byte is copied.
  std::vector<StateTensor> tensors();
  // Local. The same without the copy from the device: what is there are the bytes of an earlier copy.
  std::vector<StateTensor> host_tensors();

  // Local. The same as places to read a checkpoint into; commit_restore() then takes them over.
  std::vector<MutableStateTensor> places();
  void commit_restore();

  // Local. Bytes of all persisted tensors.
  std::uint64_t bytes();
  // Local. A digest over the integer buffers, which must come out equal on every rank.
  std::uint64_t integer_digest() const;

 private:
  void list_persisted();
  void add(TensorKey key, const torch::Tensor& live, bool steady);

  std::shared_ptr<Model> model_;
  ComputeDevice compute_;
  ModelArena arena_;
  std::unique_ptr<FlatOptimizer> optimizer_;
  torch::Tensor steps_done_;  // 0-dim float32, the optimizer's `step` as torch.optim stores it
  std::vector<Persisted> persisted_;
};

}  // namespace lockstep
