// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "data/micro_batches.h"
#include "data/sample_order.h"
#include "lockstep/comm/world.h"
#include "train/plan.h"
#include "train/target_reader.h"
#include "train/training_state.h"

namespace lockstep {

// A step whose loss or gradient is not finite, as it was before its update.
struct DivergedStep {
  World& world;
  TrainingState& state;
  const TrainingPlan& plan;
  const SampleOrder& order;
  const Dataset& data;
  const TargetReader& targets;
  std::uint64_t seed = 0;
  Step step{0};
  const MicroBatches* batch = nullptr;  // of this rank; null: the update was made, its batch is gone
};

struct DivergenceCause {
  std::string fact;
  std::string remedy;
  bool is_state = false;  // parameters are not finite: no batch is at fault any more
};

// Collective. What made it so, found by looking again, since a healthy step pays nothing for it: the first
// input or target that is not finite, else the first parameter, else the first micro-batch with such a loss,
// else the first with such a gradient and there the first parameter, in the order of named_parameters(). The
// same on every rank. Buffers are left as the last look leaves them.
DivergenceCause find_cause(const DivergedStep& diverged);

}  // namespace lockstep
