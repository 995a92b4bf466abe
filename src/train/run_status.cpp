// SPDX-License-Identifier: Apache-2.0
#include "train/run_status.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/read_lines.h"
#include "base/run_layout.h"
#include "checkpoint/catalog.h"
#include "checkpoint/reader.h"
#include "lockstep/base/error.h"
#include "run/run_lock.h"
#include "train/left_out.h"

namespace lockstep {
namespace {

using Json = nlohmann::json;

Json parse(const std::string& text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

template <class Value>
Value get_or(const Json& json, const char* key, Value otherwise) {
  const auto found = json.find(key);
  if (found == json.end()) return otherwise;
  if constexpr (std::is_same_v<Value, std::string>)
    return found->is_string() ? found->template get<Value>() : otherwise;
  else
    return found->is_number() ? found->template get<Value>() : otherwise;
}

void add_save_interval(Disk& disk, const std::string& path, RunStatus& status) {
  for_each_line(disk, path, [&](const std::string& line) {
    // Most lines are of something else, and a run has many.
    if (line.find("\"save_interval\"") == std::string::npos) return;
    const Json json = parse(line);
    if (!json.is_object() || get_or<std::string>(json, "event", "") != "save_interval") return;
    status.save_interval = get_or<std::string>(json, "every", "");
    status.save_reason = get_or<std::string>(json, "why", "");
  });
}

void add_setbacks(Disk& disk, const std::string& directory, RunStatus& status) try {
  const auto text = read_left_out(disk, directory);
  const LeftOut left_out = text ? LeftOut::decode(*text) : LeftOut();
  status.skipped_steps = left_out.skipped();
  status.rollbacks = left_out.rollbacks();
} catch (const Fault&) {
  // The run itself will refuse it.
}

void add_newest_checkpoint(Disk& disk, const std::string& folder, RunStatus& status) {
  for (const CatalogEntry& entry : list_catalog(disk, folder)) {
    if (entry.kind != EntryKind::kCheckpoint) continue;
    status.checkpoint = entry.name;
    status.checkpoint_step = entry.step;
  }
  if (status.checkpoint.empty()) return;
  try {
    const TrainRecord record = CheckpointReader::open(disk, folder + "/" + status.checkpoint)->record();
    const auto batch = record.config.find("train.global_batch");
    if (batch == record.config.end()) return;
    status.global_batch = std::max<std::int64_t>(std::strtoll(batch->second.c_str(), nullptr, 10), 1);
    status.epoch = record.epoch;
    status.epoch_end =
        Step(record.step.value + (record.epoch_samples - record.epoch_offset) / status.global_batch);
    status.steps_per_epoch = record.steps_per_epoch;
  } catch (const Fault&) {
    // `ckpt verify` is there to judge it; the run may be replacing it right now.
  }
}

}  // namespace

RunStatus read_run_status(Disk& disk, const std::string& directory) {
  if (!disk.info(RunLayout(directory).identity()))
    throw Fault(ExitCode::kInputMissing, directory + ": no run directory: it has no run.json",
                "Name a run.dir; lockstep config show -c run.yaml prints it");
  const Json run = parse(read_text(disk, RunLayout(directory).identity()));
  RunStatus status;
  status.name = get_or<std::string>(run, "name", "");
  status.run_id = get_or<std::string>(run, "run_id", "");
  status.attempts = Attempt(get_or<int>(run, "attempts", 0));
  status.owner = lock_owner(directory);
  add_save_interval(disk, RunLayout(directory).events(), status);
  add_setbacks(disk, directory, status);
  add_newest_checkpoint(disk, RunLayout(directory).checkpoints(), status);
  if (disk.info(RunLayout(directory).done())) {
    const Json done = parse(read_text(disk, RunLayout(directory).done()));
    status.done = Step(get_or<std::int64_t>(done, "step", 0));
    status.state_hash = get_or<std::string>(done, "state_hash", "");
  }
  return status;
}

}  // namespace lockstep
