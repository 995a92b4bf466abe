// SPDX-License-Identifier: Apache-2.0
#include "train/training_metrics.h"

#include "train/target_reader.h"

namespace lockstep {

void TrainingMetrics::begin(bool wanted) {
  wanted_ = wanted;
  sums_.reset();
}

void TrainingMetrics::measure(int micro_batch, Model& model, const torch::Tensor& output,
                              const ReadBatch& read) {
  if (!wanted_) return;
  const torch::NoGradGuard no_grad;
  model.note_targets(notes_for(read, dataset_, {loss_, ignore_}));
  ChunkSums::Parts parts;
  for (const auto& [name, part] : model.metrics(output.detach(), read.batch, loss_))
    parts[name] = {part.sum, part.count};
  model.note_targets({});
  if (!sums_) sums_.emplace(parts, micro_batches_);
  sums_->set(micro_batch, parts);
}

std::map<std::string, double> TrainingMetrics::share(World& world) {
  if (!sums_) return {};
  sums_->share(world);
  std::map<std::string, double> named;
  for (const auto& [name, mean] : sums_->means())
    if (name != "loss") named["train_" + name] = mean;
  return named;
}

}  // namespace lockstep
