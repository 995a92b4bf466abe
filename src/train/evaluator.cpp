// SPDX-License-Identifier: Apache-2.0
#include "train/evaluator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "comm/agree.h"
#include "data/host_batch.h"
#include "lockstep/base/error.h"
#include "parallel/arena.h"

namespace lockstep {
namespace {

// Eval mode for the time of a scope.
class EvalMode {
 public:
  explicit EvalMode(Model& model) : model_(model), was_training_(model.is_training()) { model_.eval(); }
  ~EvalMode() { model_.train(was_training_); }
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;

 private:
  Model& model_;
  bool was_training_;
};

// The sums of all chunks in one flat array, [chunk][metric][sum, count]: what is not this rank's stays zero,
// so that adding the arrays of all ranks, in any order, is exact.
class ChunkSums {
 public:
  ChunkSums(const MetricSums& names, std::int64_t chunks) {
    for (const auto& [name, sum] : names) names_.push_back(name);
    values_.assign(static_cast<std::size_t>(chunks) * names_.size() * 2, 0.0);
  }
  void set(std::int64_t chunk, const MetricSums& sums) {
    check(sums.size() == names_.size(), "metrics() names the same metrics for every chunk");
    double* place = &values_[static_cast<std::size_t>(chunk) * names_.size() * 2];
    for (const std::string& name : names_) {
      *place++ = sums.at(name).sum;
      *place++ = sums.at(name).count;
    }
  }
  void share(World& world) {
    const MutableSpan all{values_.data(), values_.size(), DType::kFloat64};
    world.host().all_reduce(all, all, ReduceOp::kSum);
  }
  double count_of(const std::string& name) const {
    const auto metric = std::find(names_.begin(), names_.end(), name) - names_.begin();
    double count = 0;
    for (std::size_t at = 2 * static_cast<std::size_t>(metric); at < values_.size(); at += 2 * names_.size())
      count += values_[at + 1];
    return count;
  }
  std::map<std::string, double> means() const {
    std::map<std::string, double> means;
    for (std::size_t m = 0; m < names_.size(); ++m) {
      double sum = 0;
      double count = 0;
      for (std::size_t at = 2 * m; at < values_.size(); at += 2 * names_.size()) {
        sum += values_[at];
        count += values_[at + 1];
      }
      means[names_[m]] = sum / count;
    }
    return means;
  }

 private:
  std::vector<std::string> names_;
  std::vector<double> values_;
};

MetricSums measure(const EvaluationParts& parts, const EvaluationOptions& options, std::int64_t first) {
  HostBatch batch;
  read_chunk(parts.dataset, first, std::min(options.chunk, parts.dataset.size() - first), batch);
  const DeviceBatch chunk = to_device(batch, parts.compute);
  const torch::Tensor output = parts.model.forward(chunk.inputs);
  parts.model.note_targets(notes_for({batch, 0, chunk.targets}, parts.dataset, options.targets));
  const MetricSums sums = parts.model.metrics(output, chunk.targets, options.targets.loss);
  require_asked(parts.model, options.targets);
  parts.model.note_targets({});
  return sums;
}

void require_labels(const ChunkSums& sums, const TargetOptions& options) {
  if (!options.ignore || sums.count_of("loss") > 0) return;
  throw AgreedFault(
      ExitCode::kInputMissing,
      fmt::format("all labels of the evaluated data are data.ignore_label ({})", *options.ignore),
      "Evaluate data with labels of the model's classes");
}

// A sequence of classes is judged by perplexity, a class by accuracy.
void name_for_sequences(const SampleSpec& spec, std::map<std::string, double>& means) {
  if (spec.target_shape.empty() || is_floating(spec.target_dtype)) return;
  means.erase("accuracy");
  means["perplexity"] = std::exp(means.at("loss"));
}

}  // namespace

std::map<std::string, double> evaluate(const EvaluationParts& parts, const EvaluationOptions& options) {
  const EvalMode eval_mode(parts.model);
  const c10::InferenceMode inference_mode;
  const std::int64_t chunks = (parts.dataset.size() + options.chunk - 1) / options.chunk;
  check(chunks > 0, "an evaluation has samples");
  const int ranks = parts.world.size().value;
  // Every rank needs the names; a rank without a chunk of its own measures the first one for them.
  const std::int64_t own = parts.world.rank().value < chunks ? parts.world.rank().value : 0;
  const MetricSums first = measure(parts, options, own * options.chunk);
  ChunkSums sums(first, chunks);
  for (std::int64_t chunk = parts.world.rank().value; chunk < chunks; chunk += ranks)
    sums.set(chunk, chunk == own ? first : measure(parts, options, chunk * options.chunk));
  sums.share(parts.world);
  require_labels(sums, options.targets);
  std::map<std::string, double> means = sums.means();
  name_for_sequences(parts.dataset.spec(), means);
  return means;
}

}  // namespace lockstep
