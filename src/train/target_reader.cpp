// SPDX-License-Identifier: Apache-2.0
#include "train/target_reader.h"

#include <fmt/format.h>

#include <utility>

#include "comm/agree.h"
#include "data/host_batch.h"
#include "lockstep/base/error.h"
#include "train/device.h"

namespace lockstep {
namespace {

torch::Tensor host_targets(const HostBatch& batch) {
  return on_host(batch.target(), batch.samples());
}

}  // namespace

TargetNotes notes_for(const ReadBatch& read, const Dataset& dataset, const TargetOptions& options) {
  TargetNotes notes;
  notes.ignore = options.ignore;
  notes.given = read.batch.target();
  notes.host = host_targets(read.host);
  notes.place = [&dataset, &host = read.host](std::int64_t row) {
    return dataset.place_of(host.indices().at(static_cast<std::size_t>(row)));
  };
  return notes;
}

void require_asked(const Model& model, const TargetOptions& options) {
  if (!options.ignore || model.asked_for_ignore_label()) return;
  throw Fault(
      ExitCode::kConfig,
      fmt::format("data.ignore_label is {}, and the model's loss leaves no label out", *options.ignore),
      "A loss() of its own must leave out the targets that are ignore_label(); a mean squared error "
      "has no labels: take data.ignore_label away");
}

TargetReader::TargetReader(const Dataset& dataset, const TrainingPlan& plan, const TargetOptions& options)
    : dataset_(dataset), plan_(plan), options_(options) {}

std::int64_t TargetReader::kept_in(const HostBatch& batch) const {
  return host_targets(batch).ne(*options_.ignore).sum().item<std::int64_t>();
}

void TargetReader::begin(World& world, const MicroBatches& batches) {
  if (!options_.ignore) return;
  std::int64_t mine = 0;
  for (const HostBatch& batch : batches) mine += kept_in(batch);
  world.host().all_reduce({&mine, 1, DType::kInt64}, {&kept_, 1, DType::kInt64}, ReduceOp::kSum);
  if (kept_ > 0) return;
  throw AgreedFault(
      ExitCode::kInputMissing,
      fmt::format("all labels of a global batch of {} samples are data.ignore_label ({}), from {} on",
                  plan_.global_batch, *options_.ignore, dataset_.place_of(batches.front().indices().front())),
      "Nothing is left to learn from in this step: take such samples out, or raise train.global_batch");
}

torch::Tensor TargetReader::loss(Model& model, const torch::Tensor& output, const ReadBatch& read) const {
  model.note_targets(notes_for(read, dataset_, options_));
  const torch::Tensor loss = model.loss(output, read.batch, options_.loss);
  require_asked(model, options_);
  // The batch does not outlive the step.
  model.note_targets({});
  if (!options_.ignore) return loss;
  // Note [kept labels].
  return loss * (static_cast<double>(kept_in(read.host)) * plan_.micro_batches / static_cast<double>(kept_));
}

}  // namespace lockstep
