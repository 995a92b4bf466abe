// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/state.h"
#include "lockstep/models/model.h"
#include "optim/optimizer.h"
#include "parallel/arena.h"
#include "train/device.h"

namespace lockstep {

// The slot of step counts.
inline constexpr const char* kStepSlot = "step";

// What of the optimizer a checkpoint has.
struct StoredOptimizer {
  bool one_step = true;                 // for all that have state
  std::set<std::string> without_state;  // trainable parameters of which it has nothing
};

// Everything a checkpoint keeps: parameters, buffers and optimizer slots.
//
// Note [step counts]: each trainable parameter has had a number of updates, torch.optim's `step`. While all
// have had the same it is stored once, as optimizer/step/all_parameters; else once for each, under its name.
class TrainingState {
 public:
  // Moves the model to its final dtype and device, lays it out in an arena and makes its optimizer.
  TrainingState(std::shared_ptr<Model> model, const OptimOptions& optim, const ComputeDevice& compute);

  Model& model() { return *model_; }
  const ModelArena& arena() const { return arena_; }
  FlatOptimizer& optimizer() { return *optimizer_; }
  const ComputeDevice& compute() const { return compute_; }

  // Local. One update: `mean` is what the reducer returned (ModelArena: the layout of a contribution). A
  // parameter that no micro-batch reached stays as it is.
  void apply(const torch::Tensor& mean, double lr);

  // A tensor that checkpoints keep; all but the step counts, of which there may be one or many.
  struct Persisted {
    TensorKey key;
    std::vector<std::int64_t> shape;
    torch::Tensor live;
    torch::Tensor host;   // live itself, where that is in host memory; else pinned memory
    bool steady = false;  // changed by apply() alone; the others also while a step is computed
  };
  const std::vector<Persisted>& persisted() const { return persisted_; }

  // Local. All tensors to keep, in host memory that stays valid until the next call of either function. On
  // the CPU no byte of the persisted ones is copied; the step counts are a copy.
  std::vector<StateTensor> tensors();
  // Local. The same without the copy from the device: what is there are the bytes of an earlier copy.
  std::vector<StateTensor> host_tensors();

  // Local. The same as places to read a checkpoint into; commit_restore() then takes them over. The optimizer
  // state of those `without_state` becomes that of a parameter that was never updated.
  std::vector<MutableStateTensor> places(const StoredOptimizer& stored = {});
  void commit_restore();

  // What a record says of the model: names in the order of named_parameters(), and those that are frozen.
  std::vector<std::string> parameter_names() const;
  std::vector<std::string> frozen_names() const;

  // Local. Bytes of all persisted tensors.
  std::uint64_t bytes();
  // Local. A digest over the integer buffers, which must come out equal on every rank.
  std::uint64_t integer_digest() const;

 private:
  void list_persisted();
  void add(TensorKey key, const torch::Tensor& live, bool steady);
  std::vector<MutableStateTensor> step_places(const StoredOptimizer& stored);

  std::shared_ptr<Model> model_;
  ComputeDevice compute_;
  ModelArena arena_;
  std::unique_ptr<FlatOptimizer> optimizer_;
  // As torch.optim stores them: what host_tensors() gave away, or what commit_restore() will take over.
  std::vector<float> steps_;
  StoredOptimizer stored_;
  std::vector<Persisted> persisted_;
};

}  // namespace lockstep
