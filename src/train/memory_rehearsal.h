// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "train/rank_memory.h"

namespace lockstep {

class Dataset;
class Model;
class TrainingState;
class World;
struct ComputeDevice;
struct TrainerOptions;

// What a trainer makes that takes memory, and steps with it that nobody keeps: it writes nothing.
class MemoryRehearsal {
 public:
  // What a run is going to be made of; it outlives the rehearsal.
  struct Parts {
    World& world;
    const ComputeDevice& compute;
    const Dataset& train_data;
    const Dataset* valid_data = nullptr;  // null: no validation
    const TrainerOptions& options;
  };

  // Collective. The model is worth nothing afterwards. Throws AgreedFault as the constructor of a trainer,
  // and 69 where the system does not say what a process takes.
  MemoryRehearsal(const Parts& parts, const std::shared_ptr<Model>& model);
  ~MemoryRehearsal();

  TrainingState& state();

  // Collective, once. A few steps: in each the model computes the micro-batch at which this rank holds the
  // most partial sums (and the first one, where the model is to be checked), and the others leave zeros; then
  // exchange, norm and update. After the first the first and last chunk of an evaluation; the memory that a
  // save wants is there, and idle memory goes back as it does in a run. Throws AgreedFault as the first step
  // of a trainer.
  RankMemory run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
