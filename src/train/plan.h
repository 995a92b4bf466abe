// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "checkpoint/state.h"
#include "data/sample_order.h"
#include "lockstep/comm/world.h"
#include "parallel/canonical_tree.h"
#include "train/options.h"

namespace lockstep {

// The arithmetic of a run, decided once: how many steps, who computes what.
struct TrainingPlan {
  Step last_step{0};
  std::int64_t steps_per_epoch = 0;
  int micro_batches = 1;  // V
  MicroBatchRun mine;     // this rank's micro-batches of every step
  std::int64_t micro_batch = 1;
  std::int64_t global_batch = 1;
};

// Local. Throws Fault (78) when there are more ranks than micro-batches, or too few samples for one step.
TrainingPlan make_plan(const TrainOptions& options, const SampleOrder& order, const World& world);

// Local. The last step that train.steps or train.epochs asks for, counted on from where `order` starts.
Step last_step_of(const TrainOptions& options, const SampleOrder& order);

// Local. Where a run that goes on from a checkpoint is in data of so many samples. An epoch that was over
// stays over; one that was not goes on at the same sample, or ends where there is no global batch left of it.
DataPlace place_after(const TrainRecord& record, std::int64_t samples);

}  // namespace lockstep
