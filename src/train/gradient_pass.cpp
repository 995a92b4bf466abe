// SPDX-License-Identifier: Apache-2.0
#include "train/gradient_pass.h"

#include "data/host_batch.h"
#include "lockstep/base/error.h"
#include "lockstep/models/autocast.h"
#include "lockstep/optim/loss_scaler.h"
#include "parallel/graphed_pass.h"
#include "parallel/kept_buffers.h"
#include "train/pass_samples.h"
#include "train/target_reader.h"
#include "train/training_metrics.h"

namespace lockstep {

GradientPass::GradientPass(TrainingState& state, const TrainingPlan& plan, const GradientPassOptions& options)
    : state_(state),
      plan_(plan),
      options_(options),
      samples_(std::make_unique<PassSamples>()),
      pass_({&state.arena()}, {plan.mine, plan.micro_batches, options.seed}) {
  if (!options.record) return;
  check(options.scaler == nullptr, "a graph has no scale that changes");
  graph_ = std::make_unique<GraphedPass>(state.arena(), options.record, [this](int i) { return fill(i); });
  pass_.use(*graph_);
}

GradientPass::~GradientPass() = default;

void GradientPass::check_next() {
  checks_ = true;
  pass_.check_next();
}

std::vector<PartialSum> GradientPass::run(Step step, const MicroBatches& batches) {
  check(batches.size() == static_cast<std::size_t>(plan_.mine.count), "a step has this rank's micro-batches");
  samples_->begin(batches, state_.compute(), checks_);
  pass_.run(step, [this](int micro_batch) {
    if (is_left_out(micro_batch)) return zero_loss();
    const ReadBatch samples = samples_->read(place_of(micro_batch));
    if (only_.empty()) return computed_loss(micro_batch, samples);
    // Those that are left out count nothing, and all have to agree.
    const KeptBuffers before(state_.arena());
    const torch::Tensor loss = computed_loss(micro_batch, samples);
    before.put_back_integers();
    return loss;
  });
  checks_ = false;
  samples_->end();
  return pass_.sums();
}

torch::Tensor GradientPass::computed_loss(int micro_batch, const ReadBatch& samples) {
  const ComputeDevice& compute = state_.compute();
  const Autocast mixed(compute.device.type(), compute.autocast);
  const torch::Tensor output = state_.model().forward(samples.batch);
  const torch::Tensor loss = loss_of(output, samples);
  if (options_.metrics != nullptr) options_.metrics->measure(micro_batch, state_.model(), output, samples);
  return options_.scaler == nullptr ? loss : options_.scaler->scaled(loss);
}

torch::Tensor GradientPass::zero_loss() const {
  torch::Tensor sum = torch::zeros({}, state_.arena().values().options());
  for (const torch::Tensor& parameter : state_.arena().trainable_tensors())
    sum = sum + parameter.mul(0).sum();
  return sum;
}

// Metrics are asked about what came of a pass of the model's own.
bool GradientPass::fill(int micro_batch) {
  samples_->loosen();
  const bool measures = options_.metrics != nullptr && options_.metrics->is_measuring();
  return !measures && !is_left_out(micro_batch) && samples_->fix(place_of(micro_batch));
}

torch::Tensor GradientPass::loss_of(const torch::Tensor& output, const ReadBatch& read) {
  if (options_.targets != nullptr) return options_.targets->loss(state_.model(), output, read);
  return state_.model().loss(output, read.batch, options_.loss);
}

}  // namespace lockstep
