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
#include "loop/buffer_digests.h"
#include "loop/module_modes.h"
#include "parallel/chunk_sums.h"
#include "train/odd_values.h"
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

std::int64_t chunks_of(const EvaluationParts& parts, const EvaluationOptions& options) {
  return (parts.dataset.size() + options.chunk - 1) / options.chunk;
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

// The name to look for; the loss first, as others follow from it.
std::string odd_name(const std::map<std::string, double>& means) {
  const double loss = means.at("loss");
  if (!std::isfinite(loss)) return "loss";
  for (const auto& [name, value] : means)
    if (!std::isfinite(value) && !(name == "perplexity" && value == std::exp(loss))) return name;
  return "";
}

// In the order in which they are believed.
enum class OddPart : int { kSample = 0, kState = 1, kChunk = 2, kNone = 3 };

struct OddFinding {
  OddPart part = OddPart::kNone;
  std::int64_t chunk = 0;
  std::string cause = "every chunk of it is finite: their sum is too large";

  std::int64_t rank_among() const { return (static_cast<std::int64_t>(part) << 48) + chunk; }
};

std::optional<OddFinding> look_at_samples(const EvaluationParts& parts, const EvaluationOptions& options,
                                          std::int64_t chunk) {
  const std::int64_t first = chunk * options.chunk;
  HostBatch host;
  read_chunk(parts.dataset,
             {first, std::min(options.chunk, parts.dataset.size() - first), options.targets.ignore}, host);
  const Batch batch = to_device(host, {torch::kCPU, parts.compute.dtype});
  for (std::int64_t slot = 0; slot < host.samples(); ++slot)
    if (const auto odd = odd_sample({parts.dataset, first + slot, batch, slot}))
      return OddFinding{OddPart::kSample, chunk, *odd};
  return std::nullopt;
}

std::optional<OddFinding> look_at_state(const Model& model) {
  const auto look = [](const char* what, const auto& named) -> std::optional<OddFinding> {
    for (const auto& item : named)
      if (!all_finite(item.value()))
        return OddFinding{
            OddPart::kState, 0,
            fmt::format("{} {} is not finite ({})", what, item.key(), first_odd_value(item.value()))};
    return std::nullopt;
  };
  if (const auto odd = look("parameter", model.named_parameters())) return odd;
  return look("buffer", model.named_buffers());
}

// This rank's chunks; what it finds first.
OddFinding look_again(const EvaluationParts& parts, const EvaluationOptions& options,
                      const std::string& name) {
  const std::int64_t chunks = chunks_of(parts, options);
  const std::int64_t stride = parts.world.size().value;
  const std::int64_t mine = parts.world.rank().value;
  for (std::int64_t chunk = mine; chunk < chunks; chunk += stride)
    if (const auto odd = look_at_samples(parts, options, chunk)) return *odd;
  if (const auto odd = look_at_state(parts.model)) return *odd;
  for (std::int64_t chunk = mine; chunk < chunks; chunk += stride) {
    const std::int64_t first = chunk * options.chunk;
    const double sum = measure(parts, options, first).at(name).sum;
    if (std::isfinite(sum)) continue;
    const std::int64_t last = std::min(first + options.chunk, parts.dataset.size()) - 1;
    return {OddPart::kChunk, chunk,
            fmt::format("the {} of samples {} to {} is {}, from inputs and parameters that are finite", name,
                        first, last, without_sign(sum))};
  }
  return {};
}

}  // namespace

std::optional<OddEvaluation> odd_evaluation(const EvaluationParts& parts, const EvaluationOptions& options,
                                            const std::map<std::string, double>& means) {
  const std::string name = odd_name(means);
  if (name.empty()) return std::nullopt;
  const EvalMode eval_mode(parts.model);
  const c10::InferenceMode inference_mode;
  OddFinding mine;
  try {
    mine = look_again(parts, options, name);
  } catch (const std::exception& error) {
    mine.cause = fmt::format("looking for the cause failed: {}", error.what());
  }
  const Agreed<std::int64_t> first = agree_min(parts.world, mine.rank_among());
  const bool is_mine = first.value == mine.rank_among();
  return OddEvaluation{name, without_sign(means.at(name)),
                       text_of_first(parts.world, is_mine ? mine.cause : "")};
}

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
  const std::int64_t chunks = chunks_of(parts, options);
  SteadyBuffers steady(parts.model);
  const ChunkSums sums = ChunkSums::measured(parts.world, chunks, [&](std::int64_t chunk) {
    ChunkSums::Parts measured;
    for (const auto& [name, sum] : measure(parts, options, chunk * options.chunk))
      measured[name] = {sum.sum, sum.count};
    steady.note_chunk();
    return measured;
  });
  steady.require(parts.world);
  require_labels(sums, options.targets);
  std::map<std::string, double> means = sums.means();
  name_for_sequences(target_of(parts.dataset), means);
  return means;
}

}  // namespace lockstep
