// SPDX-License-Identifier: Apache-2.0
#include "train/plan.h"

#include "parallel/ownership.h"

namespace lockstep {

TrainingPlan make_plan(const TrainOptions& options, const SampleOrder& order, const World& world) {
  TrainingPlan plan;
  plan.steps_per_epoch = order.steps_per_epoch();
  plan.last_step = Step(options.steps > 0 ? options.steps : options.epochs * plan.steps_per_epoch);
  plan.micro_batch = options.micro_batch;
  plan.global_batch = options.global_batch;
  plan.micro_batches = static_cast<int>(options.global_batch / options.micro_batch);
  plan.mine = run_of(world.rank(), world.size(), plan.micro_batches);
  return plan;
}

}  // namespace lockstep
