// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "data/loader.h"
#include "train/gradient_pass.h"
#include "train/loss_scaling.h"
#include "train/plan.h"
#include "train/target_reader.h"
#include "train/training_metrics.h"
#include "train/training_state.h"

namespace lockstep {

class GradientExchange;
class HostDomain;
struct TrainerOptions;

// What a step of a training is computed and made with, wired as it has to be: nearly all of the memory a rank
// takes.
struct StepEngine {
  // What it works with; all of it outlives it.
  struct Parts {
    World& world;
    const ComputeDevice& compute;
    const Dataset& data;
  };

  // Collective. Throws Fault (78) for a world, data or device that do not fit, the same on all ranks; (69)
  // where there is no memory for the exchange.
  StepEngine(const Parts& parts, const std::shared_ptr<Model>& model, const TrainerOptions& options);
  ~StepEngine();

  // Local. How this rank reads its micro-batches.
  LoaderOptions loading(const TrainerOptions& options) const;

  SampleOrder order;
  TrainingPlan plan;
  TrainingState state;
  std::unique_ptr<HostDomain> domain;  // null: messages
  std::unique_ptr<GradientExchange> exchange;
  bool shares_state;  // one copy of parameters and optimizer state for all ranks of the domain
  TargetReader targets;
  TrainingMetrics metrics;
  LossScaling scaling;
  GradientPass pass;
};

}  // namespace lockstep
