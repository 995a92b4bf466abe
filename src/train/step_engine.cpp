// SPDX-License-Identifier: Apache-2.0
#include "train/step_engine.h"

#include "comm/agree.h"
#include "comm/domain/meet_domain.h"
#include "parallel/gradient_exchange.h"
#include "train/trainer_options.h"

namespace lockstep {
namespace {

// More ranks than micro-batches is one error of the job, not one of each rank.
TrainingPlan agreed_plan(const TrainOptions& options, const SampleOrder& order, World& world) {
  TrainingPlan plan;
  together(world, [&] { plan = make_plan(options, order, world); });
  return plan;
}

}  // namespace

StepEngine::StepEngine(const Parts& parts, const std::shared_ptr<Model>& model, const TrainerOptions& options)
    : order{options.run.seed, parts.data.size(), options.train.global_batch, options.shuffle},
      plan(agreed_plan(options.train, order, parts.world)),
      state(model, options.optim, parts.compute),
      domain(parts.compute.device.is_cpu() ? meet_domain(parts.world, options.dist, options.optim.sharded)
                                           : nullptr),
      exchange(make_exchange(parts.world, state.arena(),
                             {plan.micro_batches, options.dist.fast(), domain.get(), options.dist.overlap,
                              options.dist.bucket_mb, options.optim.sharded})),
      shares_state(state.share(*exchange) != StateCopies::kOfEachRank),
      targets(parts.data, plan, {options.train.loss, options.ignore_label}),
      metrics(parts.data, plan.micro_batches, options.train.loss, options.ignore_label),
      scaling(options.train),
      pass(state, plan, {options.run.seed, options.train.loss, &targets, &metrics, scaling.scaler()}) {
  pass.use(*exchange);
}

StepEngine::~StepEngine() = default;

LoaderOptions StepEngine::loading(const TrainerOptions& options) const {
  return {MicroBatchIndex(plan.mine.first),
          plan.mine.count,
          plan.micro_batch,
          plan.last_step,
          options.ignore_label,
          options.workers};
}

}  // namespace lockstep
