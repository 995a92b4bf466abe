// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <optional>

#include "data/micro_batches.h"
#include "lockstep/comm/world.h"
#include "lockstep/models/model.h"
#include "train/plan.h"

namespace lockstep {

class Dataset;

// How a model's loss reads targets.
struct TargetOptions {
  LossKind loss = LossKind::kAuto;
  std::optional<std::int64_t> ignore;  // data.ignore_label
};

// A micro-batch twice: as it was read, and as a model is given it.
struct ReadBatch {
  const HostBatch& host;
  Batch batch;
};

// Local. What a model's loss should know of these targets; the dataset names samples.
TargetNotes notes_for(const ReadBatch& read, const Dataset& dataset, const TargetOptions& options);

// Local. Throws Fault (78) when a model was given a label to ignore and did not ask for it.
void require_asked(const Model& model, const TargetOptions& options);

// The losses of one step's micro-batches, such that their mean is the mean over the whole global batch.
//
// Note [kept labels]: with data.ignore_label a micro-batch may count fewer labels than another. The loss of
// micro-batch m, a mean over its own kept_m, is multiplied by kept_m * V / kept; the tree's mean over V is
// then the sum over all kept labels divided by their number. kept is a sum of integers: the same on every
// rank, at any number of ranks.
class TargetReader {
 public:
  TargetReader(const Dataset& dataset, const TrainingPlan& plan, const TargetOptions& options);

  // Collective where a label is ignored, else Local. With this rank's micro-batches of the step.
  // Throws AgreedFault (66) when no label of the global batch counts.
  void begin(World& world, const MicroBatches& batches);
  // Local. The weighted loss of one of the micro-batches begun. Throws Fault (78) for labels that the
  // model cannot have, and for a label to ignore that its loss() did not ask for.
  torch::Tensor loss(Model& model, const torch::Tensor& output, const ReadBatch& read) const;

 private:
  std::int64_t kept_in(const HostBatch& batch) const;

  const Dataset& dataset_;
  TrainingPlan plan_;
  TargetOptions options_;
  std::int64_t kept_ = 0;  // of the global batch
};

}  // namespace lockstep
