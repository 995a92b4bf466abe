// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/state.h"
#include "exchange/param_groups.h"
#include "lockstep/models/model.h"
#include "loop/saved_state.h"
#include "optim/optimizer.h"
#include "parallel/arena.h"
#include "parallel/parted_slots.h"
#include "parallel/state_copies.h"
#include "train/device.h"

namespace lockstep {

class GradientExchange;

// What of the optimizer a checkpoint has.
struct StoredOptimizer {
  bool one_step = true;                 // for all that have state
  std::set<std::string> without_state;  // trainable parameters of which it has nothing
};

// Everything a checkpoint keeps: parameters, buffers and optimizer slots.
//
// Note [step counts]: each trainable parameter has had a number of updates, torch.optim's `step`. While all
// have had the same it is stored once, as optimizer/step/all_parameters; else once for each, under its name.
class TrainingState : public SavedState {
 public:
  // Moves the model to its final dtype and device, lays it out in an arena and makes its optimizer.
  TrainingState(std::shared_ptr<Model> model, const OptimOptions& optim, const ComputeDevice& compute);

  // Collective, before anything else knows where the state lies: ranks with memory in common have one copy of
  // it from here on, where `exchange` can do that.
  StateCopies share(GradientExchange& exchange);

  Model& model() { return *model_; }
  const ModelArena& arena() const { return arena_; }
  FlatOptimizer& optimizer() { return *optimizer_; }
  const ComputeDevice& compute() const { return compute_; }

  torch::Device device() const override { return compute_.device; }
  // All but the step counts, of which there may be one or many.
  const std::vector<Persisted>& persisted() const override { return listed(); }
  std::vector<StateTensor> host_tensors() override;
  std::uint64_t bytes() override;
  void require_alike(World& world) const override;
  std::vector<torch::Tensor> replicated() const override;
  std::string digest_of_rest() const override;
  bool is_parted() const override { return parted_ != nullptr; }
  void fetch(World& world, const PlannedState& planned, Fetch what) override;
  std::uint64_t bytes_to_fetch(World& world, const PlannedState& planned) const override;
  void let_go() override;

  // Local. The same as places to read a checkpoint into; commit_restore() then takes them over. The optimizer
  // state of those `without_state` becomes that of a parameter that was never updated.
  std::vector<MutableStateTensor> places(const StoredOptimizer& stored = {});
  void commit_restore();

  // Local. A digest over the integer buffers, which must come out equal on every rank.
  std::uint64_t own_digest() const;

  // What a record says of the model: names in the order of named_parameters(), and those that are frozen.
  std::vector<std::string> parameter_names() const;
  std::vector<std::string> frozen_names() const;
  // … and of its optimizer, where it has groups, while `lr` stands in for optim.lr.
  std::vector<ParamGroup> param_groups(double lr) const;
  // The index in optim.groups of every parameter, by name.
  std::map<std::string, int> groups_by_name() const;

 private:
  std::vector<Persisted>& listed() const;
  PartedSlots::Wanted wanted(const PlannedState& planned, Fetch what, WorldSize ranks) const;
  std::vector<MutableStateTensor> step_places(const StoredOptimizer& stored);

  std::shared_ptr<Model> model_;
  OptimOptions optim_;
  ComputeDevice compute_;
  ModelArena arena_;
  std::unique_ptr<FlatOptimizer> optimizer_;
  // As torch.optim stores them: what host_tensors() gave away, or what commit_restore() will take over.
  std::vector<float> steps_;
  StoredOptimizer stored_;
  StateCopies copies_ = StateCopies::kOfEachRank;
  PartedSlots* parted_ = nullptr;             // the exchange's
  mutable std::vector<Persisted> persisted_;  // empty: not listed yet, which takes host memory of a device
};

}  // namespace lockstep
