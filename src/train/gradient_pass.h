// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "data/micro_batches.h"
#include "parallel/device_graph.h"
#include "parallel/micro_batch_pass.h"
#include "train/plan.h"
#include "train/training_state.h"

namespace lockstep {

class GraphedPass;
class LossScaler;
class PassSamples;
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
  // train.cuda_graph (Note [graphed pass]), neither with a scaler nor with targets that are weighed; null: no
  // graph.
  RecordGraph record;
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
  std::size_t place_of(int micro_batch) const {
    return static_cast<std::size_t>(micro_batch - plan_.mine.first);
  }
  bool is_left_out(int micro_batch) const { return !only_.empty() && !only_.contains(micro_batch); }
  bool fill(int micro_batch);

  TrainingState& state_;
  TrainingPlan plan_;
  GradientPassOptions options_;
  std::unique_ptr<PassSamples> samples_;
  std::unique_ptr<GraphedPass> graph_;  // null: every pass is computed by its host
  MicroBatchPass pass_;
  std::set<int> only_;   // empty: the model computes all
  bool checks_ = false;  // the model, in the next run()
};

}  // namespace lockstep
