// SPDX-License-Identifier: Apache-2.0
#include "cli/import_checkpoint.h"

#include <fmt/format.h>

#include "checkpoint/catalog.h"
#include "checkpoint/reader.h"
#include "cli/load_run_config.h"
#include "cli/name_rules.h"
#include "data/sample_order.h"
#include "exchange/export_parts.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "loop/module_modes.h"
#include "optim/schedule.h"
#include "shelf/store.h"
#include "train/device.h"

namespace lockstep {
namespace {

constexpr const char* kImportedRun = "imported";
constexpr std::int64_t kMost = std::int64_t{1} << 31;

Step step_of(const AdoptedCheckpoint& from, const SampleOrder& order, const std::string& file) {
  if (!from.step && !from.epoch)
    throw Fault(ExitCode::kNoValidCheckpoint,
                file + ": it has neither a whole number `step`, `global_step` or `iter_num` nor `epoch`",
                "Name the key: --step-key or --epoch-key, or start from its weights: model.weights=" + file);
  // A number of Python's may be any.
  const std::int64_t epoch = from.epoch.value_or(0);
  const bool sane = epoch >= -1 && epoch < kMost && from.step.value_or(0) < kMost;
  const Step step(!sane ? 0 : from.step ? *from.step : (epoch + 1) * order.steps_per_epoch());
  if (step.value < 1)
    throw Fault(ExitCode::kNoValidCheckpoint, fmt::format("{}: step {}, epoch {}: not where a run can go on",
                                                          file, from.step.value_or(0), epoch));
  return step;
}

// In Python `epoch: e` says that e is complete. Where that many steps are not those of this config's epochs
// (the other loop had another batch size), epochs stay epochs: it goes on with the next one.
DataPlace place_of(const AdoptedCheckpoint& from, Step step, const SampleOrder& order) {
  if (!from.epoch) return {};
  const std::int64_t begun = *from.epoch + 1;
  const std::int64_t whole = order.steps_per_epoch();
  const bool fits = step.value / whole == begun;
  if (fits) return {};
  return begun > 0 ? DataPlace{step, Epoch(begun - 1), order.size} : DataPlace{step, Epoch(0), 0};
}

TrainRecord record_of(const RunConfig& config, const AdoptedCheckpoint& from, Step step,
                      const SampleOrder& order) {
  TrainRecord record;
  record.run_id = kImportedRun;
  record.step = step;
  record.epoch = order.epoch_of(step);
  record.steps_per_epoch = order.steps_per_epoch();
  record.epoch_offset = order.offset_after(step);
  record.epoch_samples = order.samples_of(record.epoch);
  record.loss = from.loss;
  record.lr = from.lr.value_or(config.optim.lr);
  record.seed = config.run.seed;
  record.micro_batches = config.train.global_batch / config.train.micro_batch;
  record.config = config.flat;
  record.metadata = config.run.metadata;
  record.extra = from.extra;
  return record;
}

// What an import made can be made again, so another import may take its place. Nothing else is replaced.
bool is_an_import(Disk& disk, const std::string& path) {
  if (!disk.info(path)) return false;
  try {
    return CheckpointReader::open(disk, path)->record().run_id == kImportedRun;
  } catch (const Fault&) {
    return false;
  }
}

void put_in_place(Disk& disk, const std::string& made, const std::string& output) {
  const std::string old = output + ".old";
  remove_tree(disk, old);
  disk.rename(output, old);
  disk.rename(made, output);
  disk.sync_directory(parent_of(output));
  remove_tree(disk, old);
  log_info("{}: takes the place of an earlier import", output);
}

// A store commits below a folder of its own; the checkpoint then takes the name that was asked for.
Digest commit_as(const std::string& output, const CheckpointState& state) {
  Disk& disk = real_disk();
  const auto claimed = step_of_directory(output);
  if (claimed && *claimed != state.record.step)
    throw Fault(ExitCode::kUsage,
                fmt::format("{} is the name of another step than {}", output, state.record.step.value),
                "Give it a name of its own");
  Digest hash;
  const bool replaces = is_an_import(disk, output);
  const std::string made = replaces ? output + ".new" : output;
  if (replaces) remove_tree(disk, made);
  write_beside(disk, made, [&](const std::string& part) {
    disk.make_directory(part);
    CheckpointStore store(part, {}, disk, [](const auto&, const auto&) {});
    const SaveReport report = store.save(state, /*is_best=*/false);
    hash = report.state_hash;
    return part + "/" + report.directory;
  });
  if (replaces) put_in_place(disk, made, output);
  return hash;
}

}  // namespace

ImportedCheckpoint import_checkpoint(const CheckpointImport& import, const Registries& registries) {
  const RunConfig config = load_run_config(import.config, import.overrides, registries);
  const auto data = registries.datasets.open(config.data, DataPart::kTrain);
  SampleOrder order{config.run.seed, data->size(), config.train.global_batch, config.data.shuffle};
  // Nothing is computed, so the host will do.
  const ComputeDevice compute{torch::kCPU,
                              config.train.dtype == "float64" ? torch::kFloat64 : torch::kFloat32};
  TrainingState state(registries.models.make(config.model), config.optim, compute);
  ImportedCheckpoint made;
  made.from = adopt_checkpoint(state, import.file,
                               {import.keys, import.place, name_rules(config.model, import.names),
                                config.optim, config.train.precision});
  made.step = step_of(made.from, order, import.file);
  order.start = place_of(made.from, made.step, order);
  made.epoch = order.epoch_of(made.step);
  if (made.from.epoch && made.from.step &&
      (*made.from.epoch + 1) * order.steps_per_epoch() != made.step.value)
    made.from.differences.push_back(
        fmt::format("epoch: {} in the file; step {}, which counts, is in epoch {} of the config's data",
                    *made.from.epoch, made.step.value, made.epoch.value));
  TrainRecord record = record_of(config, made.from, made.step, order);
  settle_modes(state.model());
  record.eval_modules = modules_in_eval(state.model());
  record.parameter_order = state.parameter_names();
  record.frozen = state.frozen_names();
  keep_param_groups(record, state.param_groups(record.lr));
  made.state_hash = commit_as(import.output, {record, state.tensors()});
  return made;
}

}  // namespace lockstep
