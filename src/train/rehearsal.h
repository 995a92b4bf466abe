// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lockstep/base/disk.h"
#include "optim/options.h"
#include "shelf/options.h"
#include "train/evaluator.h"
#include "train/plan.h"
#include "train/training_state.h"

namespace lockstep {

// What a run is going to need, and has not needed yet.
struct Rehearsal {
  World& world;
  Disk& disk;
  std::string directory;  // <run>
  TrainingState& state;
  const TrainingPlan& plan;
  const Dataset* valid_data = nullptr;
  EvaluationOptions evaluation;
  std::int64_t eval_every = 0;
  const KeepBest& keep_best;
  const ScheduleOptions& schedule;
};

// Collective, before the first step of every life: nothing that can be known now waits until the run has
// computed for days. Puts the first chunk of the validation data, and the last where it is shorter, through
// the model; looks whether checkpoint.keep_best.metric is among the metrics; whether the files of the end can
// be written. Leaves no bit of the run changed. Throws AgreedFault: 66 validation data without a sample, 73 a
// file that cannot be replaced, 78 a metric that is not measured, an option without effect, a model that does
// not take the data.
void rehearse(const Rehearsal& run);

}  // namespace lockstep
