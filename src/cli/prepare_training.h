// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "base/watched_disk.h"
#include "cli/job.h"
#include "config/resume_check.h"
#include "train/trainer.h"

namespace lockstep {

// The parts of a trainer, and what they hold on to.
struct Preparation {
  std::unique_ptr<WatchedDisk> disk;
  std::unique_ptr<RunDirectory> run_directory;  // rank 0's
  TrainerOptions options;
  TrainerParts parts;
  // Filled when a checkpoint is resumed from: what was otherwise when it was written.
  std::shared_ptr<std::vector<ConfigChange>> changes = std::make_shared<std::vector<ConfigChange>>();
};

// Local. What of a config the loop needs.
TrainerOptions trainer_options(const RunConfig& config);
// Local. The model of a config, with the run's seed. Throws Fault (78).
std::shared_ptr<Model> make_model(const RunConfig& config, const Registries& registries);

// Collective. Takes the run directory (73, 77), opens the data (66), builds the model with the run's seed
// and, for a new run, fills it from model.weights.
Preparation prepare_training(Job& job, const Registries& registries);

}  // namespace lockstep
