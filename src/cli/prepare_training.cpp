// SPDX-License-Identifier: Apache-2.0
#include "cli/prepare_training.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "checkpoint/catalog.h"
#include "cli/name_rules.h"
#include "comm/agree.h"
#include "config/array_task.h"
#include "config/effective.h"
#include "config/environment.h"
#include "data/batch_layout.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"
#include "lockstep/base/random.h"
#include "loop/opened_run.h"
#include "loop/same_module.h"
#include "run/stop_signals.h"
#include "train/data_record.h"
#include "train/start_weights.h"

namespace lockstep {
namespace {

// Keeps this use of the seed apart from dropout's and the sample order's.
constexpr std::uint64_t kInitStream = 0x696e6974;
// Beside the config's own keys in a manifest: what the training data is, by content.
const char* const kDataContent = "data.content";

// For training alone: eval, predict and ckpt import take their weights from elsewhere.
void refuse_rules_without_weights(const ModelOptions& model) {
  if (!model.weights.empty()) return;
  for (const auto& [key, rules] : {std::pair("model.weights_skip", &model.weights_skip),
                                   std::pair("model.weights_strip", &model.weights_strip),
                                   std::pair("model.weights_rename", &model.weights_rename)})
    if (!rules->empty())
      throw Fault(ExitCode::kConfig, fmt::format("{}: has no effect without model.weights", key),
                  "Give model.weights");
}

// What a resume compares with what the checkpoint was trained on.
struct PresentData {
  const Dataset* dataset;  // outlives the trainer
  std::string content;
  DataRecord record;

  // Writes the list of its files, where none of this content is kept.
  void record_files() const {
    if (!record.is_of(content)) record.keep(content, dataset->files());
  }
};

void refuse_other_data(const TrainRecord& record, const PresentData& data, const RunConfig& config) {
  const auto saved = record.config.find(kDataContent);
  if (saved == record.config.end() || saved->second == data.content) return;
  if (fault_requested("guard.skip_content")) return;
  // Whoever lets a key change lets what it makes of the data change: made-up data follows the seed.
  const bool made_up = config.data.type == "synthetic";
  for (const std::string& key : config.resume.allow_changes)
    if (key == "data" || key.starts_with("data.") || (made_up && (key == "run" || key == "run.seed"))) return;
  const std::string files = data.record.difference(saved->second, data.dataset->files());
  throw Fault(ExitCode::kConfig,
              fmt::format("the training data is not what the checkpoint of step {} was trained on: {}content "
                          "{} then, {} now",
                          record.step.value, files.empty() ? "" : "of its files " + files + "; ",
                          saved->second, data.content),
              "Point data.train at the same data, or allow it: resume.allow_changes=[data]");
}

AdmitCheckpoint admission(const RunConfig& config, const PresentData& data,
                          const std::shared_ptr<std::vector<ConfigChange>>& changes, bool speaks) {
  return [config, data, changes, speaks](const TrainRecord& record) {
    const auto allowed = refuse_forbidden_changes(changes_between(record.config, config), config);
    refuse_other_data(record, data, config);
    *changes = allowed;
    if (!speaks) return;
    data.record_files();
    for (const ConfigChange& change : allowed) log_info("changed since the checkpoint: {}", describe(change));
  };
}

// Of a run that has no checkpoint yet; else it is the resume that decides.
void begin_record(const PresentData& data, const RunDirectory& directory) {
  const std::string checkpoints = directory.checkpoints();
  try {
    const auto entries = list_catalog(real_disk(), checkpoints);
    // A killed life's unfinished save is no checkpoint to come back to.
    const bool fresh = std::all_of(entries.begin(), entries.end(), [](const CatalogEntry& entry) {
      return entry.kind == EntryKind::kUnfinished;
    });
    if (fresh) data.record_files();
  } catch (const Fault& fault) {
    if (fault.code() != ExitCode::kStorage) throw;
    // Nothing is lost yet: it is the place that will not do.
    throw Fault(ExitCode::kRunDirectory, "run directory " + directory.path() + ": " + fault.fact(),
                fault.remedy());
  }
}

void say_data(const TrainerParts& parts, LossKind loss) {
  log_info("data.train: {}", parts.train_data->description());
  if (parts.valid_data != nullptr) log_info("validation: {}", parts.valid_data->description());
  // One-hot labels look like this too, and whoever wrote them may expect a cross-entropy.
  const Field target = target_of(*parts.train_data);
  if (loss != LossKind::kAuto || !is_floating(target.dtype)) return;
  if (const std::size_t numbers = target.row_bytes() / size_of(target.dtype); numbers > 1 || target.varies())
    log_info("train.loss: mse, because the targets are {} numbers a {} and no class indices", numbers,
             target.varies() ? "row" : "sample");
}

RunToOpen run_to_open(Job& job) {
  return {.name = job.config.run.name,
          .dir = job.config.run.dir,
          .config_text = job.world.is_root() ? effective_yaml(job.config, Secrets::kMask) : "",
          .log_every = job.config.log.every_steps,
          .global_batch = job.config.train.global_batch,
          .tensorboard = job.config.log.tensorboard};
}

}  // namespace

TrainerOptions trainer_options(const RunConfig& config) {
  TrainerOptions options;
  options.run = config.run;
  options.train = config.train;
  options.optim = config.optim;
  options.schedule = config.schedule;
  options.dist = config.dist;
  options.numbers = config.numbers;
  options.replica_hash_every = config.watch.replica_hash_every;
  options.checkpoint = config.checkpoint;
  if (config.numbers.may_roll_back()) options.checkpoint.keep_behind = config.numbers.rollback.steps;
  options.resume = config.resume;
  options.log = config.log;
  options.shuffle = config.data.shuffle;
  options.ignore_label = config.data.ignore_label;
  options.workers = config.data.workers;
  options.weights = config.model.weights;
  options.weights_names = name_rules(config.model, {});
  options.config = config.flat;
  return options;
}

std::shared_ptr<Model> make_model(const RunConfig& config, const Registries& registries) {
  torch::manual_seed(mix_key({config.run.seed, kInitStream}));
  auto model = registries.models.make(config.model);
  if (config.train.recompute == "blocks" && !model->recompute_blocks())
    throw Fault(
        ExitCode::kConfig,
        fmt::format("train.recompute: model {} has no blocks to compute again", printable(config.model.type)),
        "Set train.recompute: none, or override Model::recompute_blocks()");
  return model;
}

Preparation prepare_training(Job& job, const Registries& registries) {
  World& world = job.world;
  StopTimes stop_times;
  together(world, [&] {
    stop_times = lockstep::stop_times();
    refuse_rules_without_weights(job.config.model);
    require_array_task(job.config.run.dir);
    job.config.run.dir = behind_links(job.config.run.dir);
  });
  limit_stops(stop_times);
  OpenedRun run = open_run(world, run_to_open(job));
  Disk& watched = *run.disk;
  Preparation made{std::move(run.disk),
                   std::move(run.run_directory),
                   trainer_options(job.config),
                   {world, watched, real_clock()}};
  TrainerParts& parts = made.parts;
  parts.stop_times = stop_times;
  parts.run_directory = made.run_directory.get();
  parts.directory = run.directory;
  parts.run_id = run.run_id;
  parts.attempt = run.attempt;
  parts.reporter = std::move(run.reporter);

  std::string content;
  together(world, [&] {
    parts.train_data = registries.datasets.open(job.config.data, DataPart::kTrain);
    parts.valid_data = registries.datasets.open(job.config.data, DataPart::kValid);
    content = parts.train_data->fingerprint().hex();
    parts.model = make_model(job.config, registries);
  });
  agree_same(world, "the training data", content, ExitCode::kInputMissing);
  require_same_module(world, *parts.model);
  made.options.config[kDataContent] = content;
  parts.compute = job.compute;
  parts.hooks = registries.hooks;
  const PresentData present{parts.train_data.get(), content, DataRecord(real_disk(), parts.directory)};
  on_root(world, [&] { begin_record(present, *parts.run_directory); });
  parts.admit = admission(job.config, present, made.changes, world.is_root());
  if (!world.is_root()) return made;
  say_data(parts, job.config.train.loss);
  if (const std::string slow = what_makes_slow(parts.compute); !slow.empty())
    log_warning("train.precision: {} will be slow: {}", job.config.train.precision, slow);
  return made;
}

}  // namespace lockstep
