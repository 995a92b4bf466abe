// SPDX-License-Identifier: Apache-2.0
#include "train/gradient_pass.h"

#include <fmt/format.h>

#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "train/micro_batch_key.h"
#include "train/target_reader.h"

namespace lockstep {
namespace {
// MKL promises equal bits only for operands at multiples of 64 bytes, and where in a batch a micro-batch
// begins depends on the rank.
torch::Tensor aligned(const torch::Tensor& part) {
  const auto address = reinterpret_cast<std::uintptr_t>(part.data_ptr());
  return address % 64 == 0 ? part : part.clone();
}

void require_gradient(const torch::Tensor& loss, Step step) {
  if (loss.requires_grad()) return;
  throw Fault(ExitCode::kConfig,
              fmt::format("step {}: the loss depends on no trainable parameter of the model", step.value),
              "Compute it from the model's output, without detach(), .item() or NoGradGuard");
}
}  // namespace

GradientPass::GradientPass(TrainingState& state, const TrainingPlan& plan, const GradientPassOptions& options)
    : state_(state),
      plan_(plan),
      options_(options),
      hooks_(state.arena()),
      stack_(state.arena(), plan.mine, plan.micro_batches),
      start_(state.arena().buffer_values().clone()) {
  for (const auto& [name, tensor] : state.arena().integer_buffers()) {
    int_start_.push_back(tensor.clone());
    int_result_.push_back(tensor.clone());
  }
}

std::vector<PartialSum> GradientPass::run(Step step, const HostBatch& batch) {
  check(batch.samples == plan_.mine.count * plan_.micro_batch, "a batch holds this rank's micro-batches");
  const DeviceBatch whole = to_device(batch, state_.compute());
  {
    torch::NoGradGuard no_grad;
    start_.copy_(state_.arena().buffer_values());
    for (std::size_t i = 0; i < int_start_.size(); ++i)
      int_start_[i].copy_(state_.arena().integer_buffers()[i].second);
  }
  while (!run_all(step, batch, whole)) {
  }
  return stack_.sums();
}

// False when a gradient was late (Note [gradients]); each time one more parameter is known for it.
bool GradientPass::run_all(Step step, const HostBatch& batch, const DeviceBatch& whole) {
  stack_.clear();
  for (int i = 0; i < plan_.mine.count; ++i) {
    const std::int64_t first = i * plan_.micro_batch;
    const bool complete =
        run_one(step, plan_.mine.first + i, aligned(whole.inputs.narrow(0, first, plan_.micro_batch)),
                {batch, first, aligned(whole.targets.narrow(0, first, plan_.micro_batch))});
    if (!complete) {
      put_back();
      return false;
    }
  }
  return true;
}

void GradientPass::put_back() {
  const torch::NoGradGuard no_grad;
  state_.arena().buffer_values().copy_(start_);
  for (std::size_t i = 0; i < int_start_.size(); ++i)
    state_.arena().integer_buffers()[i].second.copy_(int_start_[i]);
}

torch::Tensor GradientPass::loss_of(const torch::Tensor& output, const TargetSlice& targets) {
  if (options_.targets != nullptr) return options_.targets->loss(state_.model(), output, targets);
  return state_.model().loss(output, targets.targets, options_.loss);
}

bool GradientPass::run_one(Step step, int leaf, const torch::Tensor& inputs, const TargetSlice& targets) {
  leaf_ = leaf;
  const bool first = leaf == plan_.mine.first;
  if (!first) put_back();
  torch::manual_seed(micro_batch_key(options_.seed, step, leaf));
  stack_.open(leaf);
  hooks_.aim(stack_.target(), stack_.accumulates());
  const torch::Tensor output = state_.model().forward(inputs);
  const torch::Tensor loss = loss_of(output, targets);
  require_gradient(loss, step);
  hooks_.watch();
  loss.backward();
  if (hooks_.settle() == GradientHooks::Outcome::kSpoiled) return false;
  {
    torch::NoGradGuard no_grad;
    contribute(state_.arena().trainable_count(), state_.arena().buffer_values());
    contribute(state_.arena().loss_offset(), loss.detach().view({1}));
    settle_integers(first);
  }
  stack_.close();
  ++computed_;
  fault_point("micro_batch", leaf);
  return true;
}

void GradientPass::contribute(std::int64_t offset, const torch::Tensor& values) {
  const torch::Tensor place = stack_.target().narrow(0, offset, values.numel());
  stack_.accumulates() ? place.add_(values) : place.copy_(values);
}

void GradientPass::settle_integers(bool first) {
  const auto& integers = state_.arena().integer_buffers();
  for (std::size_t i = 0; i < integers.size(); ++i) {
    if (first) {
      int_result_[i].copy_(integers[i].second);
    } else if (!torch::equal(int_result_[i], integers[i].second)) {
      throw Fault(
          ExitCode::kBug,
          fmt::format("integer buffer {} differs between micro-batches of one step", integers[i].first),
          "A model's integer buffers must not depend on the data; keep such state in floating buffers");
    }
  }
}

}  // namespace lockstep
