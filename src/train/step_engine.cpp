// SPDX-License-Identifier: Apache-2.0
#include "train/step_engine.h"

#include <optional>
#include <utility>

#include "comm/agree.h"
#include "comm/domain/meet_domain.h"
#include "lockstep/base/error.h"
#include "parallel/gradient_exchange.h"
#include "train/trainer_options.h"

namespace lockstep {
namespace {

// Where train.device is auto, only the machine knows.
void refuse_graph_without_gpu(const TrainOptions& options, const ComputeDevice& compute) {
  if (!options.graph.cuda || compute.device.is_cuda()) return;
  throw Fault(ExitCode::kConfig, "train.cuda_graph: this run computes on a CPU, which has no such graphs",
              "Leave it out, or start the run where there is a GPU");
}

// What does not fit is one error of the job, not one of each rank.
TrainingPlan agreed_plan(const TrainOptions& options, const SampleOrder& order,
                         const StepEngine::Parts& parts) {
  TrainingPlan plan;
  together(parts.world, [&] {
    refuse_graph_without_gpu(options, parts.compute);
    plan = make_plan(options, order, parts.world);
  });
  return plan;
}

// Nor is a model, or an optim.groups, that there is nothing to train of.
TrainingState agreed_state(const std::shared_ptr<Model>& model, const OptimOptions& optim,
                           const StepEngine::Parts& parts) {
  std::optional<TrainingState> state;
  together(parts.world, [&] { state.emplace(model, optim, parts.compute); });
  return std::move(*state);
}

// Gradients are there at the end of a graph, and not during it.
ExchangePlan exchange_plan(const TrainerOptions& options, int micro_batches, HostDomain* domain) {
  const DistOptions& dist = options.dist;
  return {.micro_batches = micro_batches,
          .fast = dist.fast(),
          .domain = domain,
          .overlap = options.train.graph.cuda ? "off" : dist.overlap,
          .bucket_mb = dist.bucket_mb,
          .sharded = options.optim.sharded};
}

RecordGraph recorder(const TrainOptions& options, const ComputeDevice& compute) {
  if (!options.graph.cuda) return nullptr;
  return [device = compute.device](const std::function<void()>& work) {
    return record_device_graph(device, work);
  };
}

}  // namespace

StepEngine::StepEngine(const Parts& parts, const std::shared_ptr<Model>& model, const TrainerOptions& options)
    : order{options.run.seed, parts.data.size(), options.train.global_batch, options.shuffle},
      plan(agreed_plan(options.train, order, parts)),
      state(agreed_state(model, options.optim, parts)),
      domain(parts.compute.device.is_cpu() ? meet_domain(parts.world, options.dist, options.optim.sharded)
                                           : nullptr),
      exchange(make_exchange(parts.world, state.arena(),
                             exchange_plan(options, plan.micro_batches, domain.get()))),
      shares_state(state.share(*exchange) != StateCopies::kOfEachRank),
      targets(parts.data, plan, {options.train.loss, options.ignore_label}),
      metrics(parts.data, plan.micro_batches, options.train.loss, options.ignore_label),
      scaling(options.train),
      pass(state, plan,
           {options.run.seed, options.train.loss, &targets, &metrics, scaling.scaler(),
            recorder(options.train, parts.compute)}) {
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
