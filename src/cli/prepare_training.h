// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "cli/job.h"
#include "train/trainer.h"

namespace lockstep {

// The parts of a trainer, and what they hold on to.
struct Preparation {
  std::unique_ptr<RunDirectory> run_directory;  // rank 0's
  TrainerOptions options;
  TrainerParts parts;
};

// Collective. Takes the run directory (73, 77), opens the data (66), builds the model with the run's seed
// and, for a new run, fills it from model.weights.
Preparation prepare_training(Job& job, const Registries& registries);

}  // namespace lockstep
