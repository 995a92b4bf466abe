// SPDX-License-Identifier: Apache-2.0
#include "train/gradient_pass.h"

#include <optional>
#include <utility>

#include "data/host_batch.h"
#include "lockstep/base/error.h"
#include "lockstep/models/autocast.h"
#include "lockstep/optim/loss_scaler.h"
#include "parallel/kept_buffers.h"
#include "train/target_reader.h"
#include "train/training_metrics.h"

namespace lockstep {
namespace {

// Of its own: a model may write to its inputs.
ReadBatch copy_of(const ReadBatch& read) {
  Batch::Tensors copies;
  for (const auto& [name, tensor] : read.batch.tensors()) copies.emplace_back(name, tensor.clone());
  return {read.host, Batch(std::move(copies), read.batch.target_name())};
}

}  // namespace

GradientPass::GradientPass(TrainingState& state, const TrainingPlan& plan, const GradientPassOptions& options)
    : state_(state),
      plan_(plan),
      options_(options),
      pass_({&state.arena()}, {plan.mine, plan.micro_batches, options.seed}) {}

GradientPass::~GradientPass() = default;

void GradientPass::check_next() {
  checks_ = true;
  pass_.check_next();
}

std::vector<PartialSum> GradientPass::run(Step step, const MicroBatches& batches) {
  check(batches.size() == static_cast<std::size_t>(plan_.mine.count), "a step has this rank's micro-batches");
  std::vector<ReadBatch> read;
  for (const HostBatch& batch : batches) read.push_back({batch, to_device(batch, state_.compute())});
  std::optional<ReadBatch> first;  // what the check computes with again
  if (checks_) first.emplace(copy_of(read.front()));
  pass_.run(step, [&](int micro_batch) {
    if (!only_.empty() && !only_.contains(micro_batch)) return zero_loss();
    const bool is_checked = first && micro_batch == plan_.mine.first;
    const ReadBatch samples =
        is_checked ? copy_of(*first) : read[static_cast<std::size_t>(micro_batch - plan_.mine.first)];
    if (only_.empty()) return computed_loss(micro_batch, samples);
    // Those that are left out count nothing, and all have to agree.
    const KeptBuffers before(state_.arena());
    const torch::Tensor loss = computed_loss(micro_batch, samples);
    before.put_back_integers();
    return loss;
  });
  checks_ = false;
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

torch::Tensor GradientPass::loss_of(const torch::Tensor& output, const ReadBatch& read) {
  if (options_.targets != nullptr) return options_.targets->loss(state_.model(), output, read);
  return state_.model().loss(output, read.batch, options_.loss);
}

}  // namespace lockstep
