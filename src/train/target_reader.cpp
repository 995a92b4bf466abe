// SPDX-License-Identifier: Apache-2.0
#include "train/target_reader.h"

#include <fmt/format.h>

#include <utility>

#include "comm/agree.h"
#include "lockstep/base/error.h"
#include "parallel/arena.h"

namespace lockstep {
namespace {

torch::Tensor host_targets(const HostBatch& batch, std::int64_t first, std::int64_t count) {
  const SampleSpec& spec = batch.spec;
  std::vector<std::int64_t> sizes = {count};
  sizes.insert(sizes.end(), spec.target_shape.begin(), spec.target_shape.end());
  const auto bytes = batch.targets.span().subspan(static_cast<std::size_t>(first) * spec.target_bytes());
  return torch::from_blob(const_cast<std::byte*>(bytes.data()), sizes, scalar_type_of(spec.target_dtype));
}

}  // namespace

TargetNotes notes_for(const TargetSlice& slice, const Dataset& dataset, const TargetOptions& options) {
  TargetNotes notes;
  notes.ignore = options.ignore;
  notes.given = slice.targets;
  notes.host = host_targets(slice.batch, slice.first, slice.targets.size(0));
  notes.place = [&dataset, &batch = slice.batch, first = slice.first](std::int64_t row) {
    return dataset.place_of(batch.indices.at(static_cast<std::size_t>(first + row)));
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

std::int64_t TargetReader::kept_in(const HostBatch& batch, std::int64_t first, std::int64_t count) const {
  return host_targets(batch, first, count).ne(*options_.ignore).sum().item<std::int64_t>();
}

void TargetReader::begin(World& world, const HostBatch& batch) {
  if (!options_.ignore) return;
  const std::int64_t mine = kept_in(batch, 0, batch.samples);
  world.host().all_reduce({&mine, 1, DType::kInt64}, {&kept_, 1, DType::kInt64}, ReduceOp::kSum);
  if (kept_ > 0) return;
  throw AgreedFault(
      ExitCode::kInputMissing,
      fmt::format("all labels of a global batch of {} samples are data.ignore_label ({}), from {} on",
                  plan_.global_batch, *options_.ignore, dataset_.place_of(batch.indices.front())),
      "Nothing is left to learn from in this step: take such samples out, or raise train.global_batch");
}

torch::Tensor TargetReader::loss(Model& model, const torch::Tensor& output, const TargetSlice& slice) const {
  model.note_targets(notes_for(slice, dataset_, options_));
  const torch::Tensor loss = model.loss(output, slice.targets, options_.loss);
  require_asked(model, options_);
  // The batch does not outlive the step.
  model.note_targets({});
  if (!options_.ignore) return loss;
  const std::int64_t kept = kept_in(slice.batch, slice.first, slice.targets.size(0));
  // Note [kept labels].
  return loss * (static_cast<double>(kept) * plan_.micro_batches / static_cast<double>(kept_));
}

}  // namespace lockstep
