// SPDX-License-Identifier: Apache-2.0
#include "config/consistency.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "config/consistency_rules.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {

void refuse_without_effect(const Given& given, const RunConfig& config) {
  for (const Row& row : given.schema.rows()) {
    if (!given.has(row.key) || given.schema.applies(row, config)) continue;
    const std::string type = word_in(*given.schema.find(row.governed_by), config);
    refuse_at(given, row.key, fmt::format("has no effect with {}: {}", row.governed_by, printable(type)),
              fmt::format("It belongs to {}", fmt::join(row.only_with, ", ")));
  }
}

namespace {

void check_run(const Given& given, const RunConfig& config) {
  // The name becomes a folder below runs/, and must not climb out of it or look like an option.
  const std::string& name = config.run.name;
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '_' || c == '-';
  });
  if (!plain || name.front() == '.' || name.front() == '-' || name.size() > 64)
    refuse_at(given, "run.name", "'" + printable(name) + "' does not make a folder name",
              "Up to 64 letters, digits, '.', '_' and '-', and no '.' or '-' in front");
}

void check_steps(const Given& given, const RunConfig& config) {
  const TrainOptions& train = config.train;
  if (train.steps != 0 && train.epochs != 0)
    refuse_at(given, "train.epochs", fmt::format("given beside train.steps ({})", train.steps),
              "Give one of them; train.steps=null takes the other back");
  if (train.steps == 0 && train.epochs == 0)
    refuse_at(given, "train.steps", "neither train.steps nor train.epochs is given", "Give one of them");
  if (train.global_batch % train.micro_batch != 0)
    refuse_at(given, given.has("train.micro_batch") ? "train.micro_batch" : "train.global_batch",
              fmt::format("train.global_batch ({}) is not a multiple of train.micro_batch ({})",
                          train.global_batch, train.micro_batch),
              fmt::format("train.global_batch={} fits",
                          (train.global_batch / train.micro_batch + 1) * train.micro_batch));
}

void check_precision(const Given& given, const RunConfig& config) {
  const TrainOptions& train = config.train;
  if (train.precision != "full" && train.dtype != "float32")
    refuse_at(given, "train.precision", fmt::format("{} beside train.dtype {}", train.precision, train.dtype),
              "It takes bits from float32: train.dtype: float32");
}

// What is done once on the host would stay so for ever.
void check_graph(const Given& given, const RunConfig& config) {
  const TrainOptions& train = config.train;
  if (!train.graph.cuda) return;
  const auto refuse_beside = [&](bool refused, const std::string& beside, const std::string& why) {
    if (refused)
      refuse_at(given, "train.cuda_graph", "beside " + beside + ": " + why,
                "Leave one of them out; train.cuda_graph=false is the default");
  };
  refuse_beside(train.device == "cpu", "train.device: cpu", "only a GPU has such graphs");
  refuse_beside(train.precision == "fp16", "train.precision: fp16",
                "its scale changes, and a recorded one would not");
  refuse_beside(train.recompute != "none", "train.recompute: " + train.recompute,
                "what the generator is put back to cannot be recorded");
  refuse_beside(config.data.ignore_label.has_value(), "data.ignore_label",
                "the weight of a micro-batch is counted on the host");
  refuse_beside(config.dist.overlap == "on", "dist.overlap: on",
                "gradients are there at the end of a graph, not during it");
}

void check_schedule(const Given& given, const RunConfig& config) {
  const ScheduleOptions& schedule = config.schedule;
  if (schedule.type == "step" && schedule.step_size == 0)
    refuse_at(given, "schedule.type", "step needs schedule.step_size", "As in schedule.step_size: 100");
  if (config.train.steps != 0 && schedule.warmup_steps > config.train.steps)
    refuse_at(given, "schedule.warmup_steps",
              fmt::format("{} is more than train.steps ({})", schedule.warmup_steps, config.train.steps),
              "The warm-up must end within the run");
  if (config.optim.nesterov && config.optim.momentum == 0)
    refuse_at(given, "optim.nesterov", "needs optim.momentum > 0", "As in optim.momentum: 0.9");
  if (config.dist.backend == "nccl" && config.train.device == "cpu")
    refuse_at(given, "dist.backend", "nccl moves data between GPUs, and train.device is cpu",
              "dist.backend: mpi, or train.device: cuda");
}

// The numbers of a group are those of its section, and have an effect where they have.
void check_groups(const Given& given, const RunConfig& config) {
  const bool adam = config.optim.type == "adam" || config.optim.type == "adamw";
  for (const OptimGroup& group : config.optim.groups) {
    if (!adam && (group.betas || group.eps))
      refuse_at(given, "optim.groups", "betas and eps have no effect with optim.type: " + config.optim.type,
                "Leave them out, or use adam or adamw");
    if (group.lr && config.optim.lr == 0)
      refuse_at(given, "optim.groups", "lr of a group beside optim.lr 0",
                "It follows the schedule in proportion to optim.lr, so that must be above 0");
  }
}

void check_numbers(const Given& given, const RunConfig& config) {
  const RollbackOptions& rollback = config.numbers.rollback;
  for (const std::string key : {"rollback.steps", "rollback.batches"})
    if (!config.numbers.may_roll_back() && given.differs_from_default(key, config))
      refuse_at(given, key, "has no effect while nothing rolls back",
                "Set on_nan: rollback, or on_spike.action");
  if (rollback.batches > rollback.steps)
    refuse_at(given, "rollback.batches",
              fmt::format("{} is more than rollback.steps ({})", rollback.batches, rollback.steps),
              "A run leaves out batches of the steps that it goes back");
}

bool has_validation(const Given& given, const RunConfig& config) {
  // A folder of CIFAR-10 may hold a test_batch; only opening it tells.
  const bool may_bring_its_own =
      config.data.type == "cifar10" || given.schema.is_registered("data.type", config);
  return may_bring_its_own || !config.data.valid.empty() || config.data.holdout_every != 0;
}

void check_evaluation(const Given& given, const RunConfig& config) {
  const KeepBest& best = config.checkpoint.keep_best;
  for (const std::string key : {"checkpoint.keep_best.metric", "checkpoint.keep_best.mode"})
    if (best.count == 0 && given.differs_from_default(key, config))
      refuse_at(given, key, "has no effect while checkpoint.keep_best.count is 0",
                "Set checkpoint.keep_best.count: 1");
  if (best.count != 0 && !best.metric.starts_with("valid_"))
    refuse_at(given, "checkpoint.keep_best.metric",
              "'" + printable(best.metric) + "' is no metric of an evaluation",
              "They begin with valid_, as in valid_loss");
  if (has_validation(given, config)) return;
  const std::string remedy = "Give data.valid or data.holdout_every";
  if (config.train.eval_every != 0)
    refuse_at(given, "train.eval_every", "has no effect without validation data", remedy);
  if (best.count != 0)
    refuse_at(given, "checkpoint.keep_best.count", "has no effect without validation data", remedy);
}

void check_resume(const Given& given, const RunConfig& config) {
  const Schema& schema = given.schema;
  for (const std::string& key : config.resume.allow_changes) {
    if (schema.is_section(key) || key == kModelFrozen) continue;
    const Row* row = schema.find(key);
    if (row != nullptr && row->on_resume == OnResume::kFixed) continue;
    if (row != nullptr)
      refuse_at(given, "resume.allow_changes", key + " may change on resume anyway", "Take it out");
    const std::string nearest = schema.nearest(key);
    refuse_at(given, "resume.allow_changes", "'" + printable(key) + "' is no key",
              nearest.empty() ? "lockstep config schema lists all keys" : "Did you mean " + nearest + "?");
  }
}

}  // namespace

void check_consistency(const Given& given, const RunConfig& config) {
  check_run(given, config);
  check_steps(given, config);
  check_precision(given, config);
  check_graph(given, config);
  check_schedule(given, config);
  check_groups(given, config);
  check_numbers(given, config);
  check_model(given, config);
  check_data_files(given, config);
  check_data_fits_model(given, config);
  check_evaluation(given, config);
  check_resume(given, config);
}

}  // namespace lockstep
