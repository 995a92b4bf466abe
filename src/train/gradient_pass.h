// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "data/micro_batches.h"
#include "parallel/contribution_stack.h"
#include "parallel/gradient_hooks.h"
#include "parallel/kept_buffers.h"
#include "train/plan.h"
#include "train/training_state.h"

namespace lockstep {

class TargetReader;
struct ReadBatch;

struct GradientPassOptions {
  std::uint64_t seed = 0;
  LossKind loss = LossKind::kAuto;
  // Checks and weighs the losses; has begun the batch before each run(). Null: losses are as the model gives
  // them.
  const TargetReader* targets = nullptr;
};

// Forward and backward over this rank's micro-batches of a step.
//
// Note [equal start]: every micro-batch sees the state of the step's beginning and nothing of the
// micro-batches before it: buffers are put back first, the generator is keyed by (seed, step, micro-batch).
// So what a micro-batch contributes does not depend on which rank computed it, or after what, and it can be
// computed once more (Note [gradients]).
class GradientPass {
 public:
  GradientPass(TrainingState& state, const TrainingPlan& plan, const GradientPassOptions& options);
  ~GradientPass();

  // Local. With this rank's micro-batches in order. Returns the partial sums of gradients, buffers
  // and loss; valid until the next call. The model's integer buffers are left as one micro-batch leaves them;
  // throws Fault (70) when two micro-batches disagree, and (78) for a loss that depends on no trainable
  // parameter or a gradient that cannot be summed (GradientHooks::settle).
  std::vector<PartialSum> run(Step step, const MicroBatches& batches);

  // Local, after run(): the buffers are what they were before it, for a step that makes no update.
  void undo() { start_.put_back(); }

  // The micro-batch that is being computed, or was the last.
  int leaf() const { return leaf_; }
  // The next run() checks the model at its end (Note [model check]); it throws Fault (78) for one that is not
  // a function of what a micro-batch may depend on.
  void check_next();

  // Micro-batches computed since construction.
  std::int64_t computed() const { return computed_; }

 private:
  struct Check;
  // Where a micro-batch's contribution goes.
  struct Target {
    torch::Tensor flat;
    bool accumulates = false;
  };

  bool run_all(Step step, const std::vector<ReadBatch>& batches);
  bool run_one(Step step, int leaf, const ReadBatch& read);
  bool compute(Step step, int leaf, const ReadBatch& read, const Target& target);
  torch::Tensor loss_of(const torch::Tensor& output, const ReadBatch& read);
  void check_model(Step step);
  static void contribute(const Target& target, std::int64_t offset, const torch::Tensor& values);
  void settle_integers(bool first);

  TrainingState& state_;
  TrainingPlan plan_;
  GradientPassOptions options_;
  GradientHooks hooks_;
  ContributionStack stack_;
  KeptBuffers start_;                      // the buffers at the step's beginning
  std::vector<torch::Tensor> int_result_;  // what the first micro-batch of the step left
  std::int64_t computed_ = 0;
  int leaf_ = 0;
  std::unique_ptr<Check> check_;  // of the model, at the end of the next run()
};

}  // namespace lockstep
