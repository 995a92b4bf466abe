// SPDX-License-Identifier: Apache-2.0
#include "train/gradient_pass.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "data/host_batch.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "parallel/micro_batch_key.h"
#include "train/model_check.h"
#include "train/target_reader.h"

namespace lockstep {
namespace {
void require_gradient(const torch::Tensor& loss, Step step) {
  if (loss.requires_grad()) return;
  throw Fault(ExitCode::kConfig,
              fmt::format("step {}: the loss depends on no trainable parameter of the model", step.value),
              "Compute it from the model's output, without detach(), .item() or NoGradGuard");
}

// Of its own: a model may write to its inputs.
ReadBatch copy_of(const ReadBatch& read) {
  Batch::Tensors copies;
  for (const auto& [name, tensor] : read.batch.tensors()) copies.emplace_back(name, tensor.clone());
  return {read.host, Batch(std::move(copies), read.batch.target_name())};
}

}  // namespace

// The first micro-batch of a run, for the check: its samples as they were, and what came of it.
struct GradientPass::Check {
  std::optional<ReadBatch> samples;
  std::optional<MicroBatchBits> bits;
};

GradientPass::GradientPass(TrainingState& state, const TrainingPlan& plan, const GradientPassOptions& options)
    : state_(state),
      plan_(plan),
      options_(options),
      hooks_(state.arena()),
      stack_(state.arena(), plan.mine, plan.micro_batches),
      start_(state.arena()) {
  for (const auto& [name, tensor] : state.arena().integer_buffers()) int_result_.push_back(tensor.clone());
}

GradientPass::~GradientPass() = default;

void GradientPass::check_next() {
  check_ = std::make_unique<Check>();
}

std::vector<PartialSum> GradientPass::run(Step step, const MicroBatches& batches) {
  check(batches.size() == static_cast<std::size_t>(plan_.mine.count), "a step has this rank's micro-batches");
  std::vector<ReadBatch> read;
  for (const HostBatch& batch : batches) read.push_back({batch, to_device(batch, state_.compute())});
  start_.keep();
  while (!run_all(step, read)) {
  }
  if (check_) check_model(step);
  return stack_.sums();
}

// False when a gradient was late (Note [gradients]); each time one more parameter is known for it.
bool GradientPass::run_all(Step step, const std::vector<ReadBatch>& batches) {
  stack_.clear();
  for (int i = 0; i < plan_.mine.count; ++i) {
    const ReadBatch& read = batches[static_cast<std::size_t>(i)];
    if (check_ && i == 0) check_->samples.emplace(copy_of(read));
    if (!run_one(step, plan_.mine.first + i, read)) {
      start_.put_back();
      return false;
    }
    if (check_ && i == 0) check_->bits.emplace(state_.arena(), stack_.target());
  }
  return true;
}

torch::Tensor GradientPass::loss_of(const torch::Tensor& output, const ReadBatch& read) {
  if (options_.targets != nullptr) return options_.targets->loss(state_.model(), output, read);
  return state_.model().loss(output, read.batch, options_.loss);
}

bool GradientPass::run_one(Step step, int leaf, const ReadBatch& read) {
  leaf_ = leaf;
  const bool first = leaf == plan_.mine.first;
  if (!first) start_.put_back();
  stack_.open(leaf);
  if (!compute(step, leaf, read, {stack_.target(), stack_.accumulates()})) return false;
  {
    const torch::NoGradGuard no_grad;
    settle_integers(first);
  }
  stack_.close();
  ++computed_;
  fault_point("micro_batch", leaf);
  return true;
}

bool GradientPass::compute(Step step, int leaf, const ReadBatch& read, const Target& target) {
  torch::manual_seed(micro_batch_key(options_.seed, step, leaf));
  hooks_.aim(target.flat, target.accumulates);
  const torch::Tensor output = state_.model().forward(read.batch);
  const torch::Tensor loss = loss_of(output, read);
  require_gradient(loss, step);
  hooks_.watch();
  loss.backward();
  if (hooks_.settle() == GradientHooks::Outcome::kSpoiled) return false;
  const torch::NoGradGuard no_grad;
  contribute(target, state_.arena().trainable_count(), state_.arena().buffer_values());
  contribute(target, state_.arena().loss_offset(), loss.detach().view({1}));
  return true;
}

void GradientPass::check_model(Step step) {
  const std::unique_ptr<Check> check = std::move(check_);
  const KeptGenerators generators(state_.compute());
  const KeptBuffers left(state_.arena());
  const Target target{state_.arena().new_contribution(), false};
  // State may show only in the third call.
  for (int calls = plan_.mine.count; calls == plan_.mine.count || calls < 3; ++calls) {
    start_.put_back();
    try {
      // A gradient that is late only now is of a pass that went another way than the first.
      if (!compute(step, plan_.mine.first, copy_of(*check->samples), target))
        refuse_model(step, plan_.mine.first, "accumulates a gradient more often");
    } catch (const c10::Error& error) {
      refuse_model(step, plan_.mine.first, fmt::format("throws {}", error.what_without_backtrace()));
    }
    const std::string what = check->bits->difference({state_.arena(), target.flat});
    if (!what.empty()) refuse_model(step, plan_.mine.first, "differs in " + what);
  }
  left.put_back();
}

void GradientPass::contribute(const Target& target, std::int64_t offset, const torch::Tensor& values) {
  const torch::Tensor place = target.flat.narrow(0, offset, values.numel());
  target.accumulates ? place.add_(values) : place.copy_(values);
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
