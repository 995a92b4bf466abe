// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "data/micro_batches.h"
#include "parallel/micro_batch_pass.h"
#include "train/plan.h"
#include "train/training_state.h"

namespace lockstep {

class LossScaler;
class TargetReader;
class TrainingMetrics;
struct ReadBatch;

struct GradientPassOptions {
  std::uint64_t seed = 0;
  LossKind loss = LossKind::kAuto;
  // Checks and weighs the losses; has begun the batch before each run(). Null: losses are as the model gives
  // them.
  const TargetReader* targets = nullptr;
  TrainingMetrics* metrics = nullptr;  // asked about each micro-batch
  const LossScaler* scaler = nullptr;  // null: gradients are not scaled
};

// The micro-batches of a step out of a batch: what MicroBatchPass computes for the trainer.
class GradientPass {
 public:
  GradientPass(TrainingState& state, const TrainingPlan& plan, const GradientPassOptions& options);
  ~GradientPass();

  // Local. With this rank's micro-batches in order. Returns the partial sums of gradients, buffers and loss;
  // valid until the next call. Throws as MicroBatchPass::run().
  std::vector<PartialSum> run(Step step, const MicroBatches& batches);

  // As MicroBatchPass::use().
  void use(const GradientExchange& exchange) { pass_.use(exchange); }
  void undo() { pass_.undo(); }
  void check_next();
  // For a rehearsal: from now on the model computes these micro-batches alone, and the others leave gradients
  // of zeros.
  void compute_only(std::set<int> micro_batches) { only_ = std::move(micro_batches); }
  int micro_batch() const { return pass_.micro_batch(); }
  std::int64_t computed() const { return pass_.computed(); }

 private:
  torch::Tensor loss_of(const torch::Tensor& output, const ReadBatch& read);
  torch::Tensor computed_loss(int micro_batch, const ReadBatch& samples);
  torch::Tensor zero_loss() const;

  TrainingState& state_;
  TrainingPlan plan_;
  GradientPassOptions options_;
  MicroBatchPass pass_;
  std::set<int> only_;   // empty: the model computes all
  bool checks_ = false;  // the model, in the next run()
};

}  // namespace lockstep
