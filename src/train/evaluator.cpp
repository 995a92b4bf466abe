// SPDX-License-Identifier: Apache-2.0
#include "train/evaluator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "comm/agree.h"
#include "data/host_batch.h"
#include "lockstep/base/error.h"
#include "lockstep/base/random.h"
#include "lockstep/models/autocast.h"
#include "loop/module_modes.h"
#include "parallel/chunk_sums.h"
#include "train/user_code.h"

namespace lockstep {
namespace {

// Keeps this use of the generator apart from dropout's.
constexpr std::uint64_t kEvaluationStream = 0x6576616c;

ModelCall call_of(const EvaluationParts& parts, const EvaluationOptions& options, const HostBatch& batch,
                  std::int64_t first) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(batch.samples()));
  std::iota(indices.begin(), indices.end(), first);
  ModelCall call;
  call.model = options.model.empty() ? parts.model.name() : options.model;
  call.place = fmt::format("the evaluation of samples {} to {}", first, first + batch.samples() - 1);
  call.inputs = shapes_of(parts.dataset, batch.samples());
  call.samples = places_of(parts.dataset, indices);
  call.micro_batch = options.chunk;
  call.first = true;
  return call;
}

MetricSums measure(const EvaluationParts& parts, const EvaluationOptions& options, std::int64_t first) {
  HostBatch batch;
  read_chunk(parts.dataset,
             {first, std::min(options.chunk, parts.dataset.size() - first), options.targets.ignore}, batch);
  // A model that draws in eval mode draws the same for a chunk, whichever rank has it.
  torch::manual_seed(mix_key({kEvaluationStream, static_cast<std::uint64_t>(first)}));
  const auto work = [&] {
    const ReadBatch chunk{batch, to_device(batch, parts.compute)};
    const Autocast mixed(parts.compute.device.type(), parts.compute.autocast);
    const torch::Tensor output = parts.model.forward(chunk.batch);
    parts.model.note_targets(notes_for(chunk, parts.dataset, options.targets));
    MetricSums sums = parts.model.metrics(output, chunk.batch, options.targets.loss);
    require_asked(parts.model, options.targets);
    parts.model.note_targets({});
    return sums;
  };
  const auto fault = [&](const ForeignException& thrown) {
    return fault_of(thrown, call_of(parts, options, batch, first));
  };
  return with_foreign_faults(work, fault);
}

void require_labels(const ChunkSums& sums, const TargetOptions& options) {
  if (!options.ignore || sums.count_of("loss") > 0) return;
  throw AgreedFault(
      ExitCode::kInputMissing,
      fmt::format("all labels of the evaluated data are data.ignore_label ({})", *options.ignore),
      "Evaluate data with labels of the model's classes");
}

// A sequence of classes is judged by perplexity, a class by accuracy.
void name_for_sequences(const Field& target, std::map<std::string, double>& means) {
  if (target.shape.empty() || is_floating(target.dtype)) return;
  means.erase("accuracy");
  means["perplexity"] = std::exp(means.at("loss"));
}

std::vector<std::string> names_of(const MetricSums& sums, const Field& target) {
  if (!sums.contains("loss"))
    throw Fault(ExitCode::kConfig, "the model's metrics() gives no \"loss\"",
                "Add it: the mean over the samples");
  std::map<std::string, double> means;
  for (const auto& [name, sum] : sums) means[name] = 0;
  name_for_sequences(target, means);
  std::vector<std::string> names;
  for (const auto& [name, mean] : means) names.push_back(name);
  return names;
}

}  // namespace

std::vector<std::string> try_chunks(const EvaluationParts& parts, const EvaluationOptions& options) {
  const EvalMode eval_mode(parts.model);
  // Not inference mode: what a model keeps from its first forward (a mask, a table) is used in training
  // later.
  const torch::NoGradGuard no_grad;
  const Field target = target_of(parts.dataset);
  const auto names = names_of(measure(parts, options, 0), target);
  const std::int64_t last = (parts.dataset.size() - 1) / options.chunk * options.chunk;
  if (last > 0 && names_of(measure(parts, options, last), target) != names)
    throw Fault(ExitCode::kConfig, "the model's metrics() gives other metrics for the last chunk",
                "It must give the same for every chunk");
  return names;
}

std::map<std::string, double> evaluate(const EvaluationParts& parts, const EvaluationOptions& options) {
  const EvalMode eval_mode(parts.model);
  const c10::InferenceMode inference_mode;
  const std::int64_t chunks = (parts.dataset.size() + options.chunk - 1) / options.chunk;
  const ChunkSums sums = ChunkSums::measured(parts.world, chunks, [&](std::int64_t chunk) {
    ChunkSums::Parts measured;
    for (const auto& [name, sum] : measure(parts, options, chunk * options.chunk))
      measured[name] = {sum.sum, sum.count};
    return measured;
  });
  require_labels(sums, options.targets);
  std::map<std::string, double> means = sums.means();
  name_for_sequences(target_of(parts.dataset), means);
  return means;
}

}  // namespace lockstep
