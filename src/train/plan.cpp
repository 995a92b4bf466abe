// SPDX-License-Identifier: Apache-2.0
#include "train/plan.h"

#include "parallel/ownership.h"

namespace lockstep {

TrainingPlan make_plan(const TrainOptions& options, const SampleOrder& order, const World& world) {
  TrainingPlan plan;
  plan.steps_per_epoch = order.steps_per_epoch();
  plan.last_step = last_step_of(options, order);
  plan.micro_batch = options.micro_batch;
  plan.global_batch = options.global_batch;
  plan.micro_batches = static_cast<int>(options.global_batch / options.micro_batch);
  plan.mine = run_of(world, plan.micro_batches);
  return plan;
}

Step last_step_of(const TrainOptions& options, const SampleOrder& order) {
  return options.steps > 0 ? Step(options.steps) : order.end_of(options.epochs);
}

DataPlace place_after(const TrainRecord& record, std::int64_t samples) {
  return {record.step, record.epoch, record.epoch_is_over() ? samples : record.epoch_offset};
}

}  // namespace lockstep
