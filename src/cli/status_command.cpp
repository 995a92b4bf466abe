// SPDX-License-Identifier: Apache-2.0
#include "cli/status_command.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/standard_streams.h"
#include "config/load.h"
#include "lockstep/base/disk.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "train/run_status.h"

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

struct StatusArguments {
  std::string directory;
  bool json = false;
};

// The config that the newest attempt ran with.
std::string newest_config(const std::string& directory, Attempt attempts) {
  for (int attempt = attempts.value; attempt > 1; --attempt) {
    const std::string path = fmt::format("{}/config.attempt-{}.yaml", directory, attempt);
    if (real_disk().info(path)) return path;
  }
  return directory + "/config.yaml";
}

// How far the run goes; 0 while nobody knows, as with train.epochs before the first checkpoint.
std::int64_t steps_in_all(const std::string& directory, const RunStatus& status, const ExtraTypes& types) {
  if (status.done) return status.done->value;
  try {
    const RunConfig config = load_config(newest_config(directory, status.attempts), {}, types);
    if (config.train.steps > 0) return config.train.steps;
    // With another batch, epochs have another length; the next checkpoint says it.
    if (status.global_batch != config.train.global_batch) return 0;
    const std::int64_t whole = config.train.epochs - 1 - status.epoch.value;
    return whole < 0 ? status.checkpoint_step.value : status.epoch_end.value + whole * status.steps_per_epoch;
  } catch (const Fault& fault) {
    log_warning("the number of steps is not known: {}", fault.what());
    return 0;
  }
}

const char* state_of(const RunStatus& status) {
  if (status.owner) return "running";
  return status.done ? "done" : "stopped";
}

Json as_json(const std::string& directory, const RunStatus& status, std::int64_t of) {
  const auto known = [](bool is, Json value) { return is ? std::move(value) : Json(); };
  Json json = {{"directory", directory},
               {"name", status.name},
               {"run_id", status.run_id},
               {"state", state_of(status)},
               {"done", status.done.has_value()},
               {"owner", known(status.owner.has_value(), status.owner.value_or(""))},
               {"attempts", status.attempts.value}};
  const LastStep last = status.last.value_or(LastStep{});
  json["step"] = last.step.value;
  json["of"] = known(of > 0, of);
  json["epoch"] = last.epoch.value;
  json["loss"] = known(status.last && std::isfinite(last.loss), last.loss);
  json["time"] = known(status.last.has_value(), last.time);
  json["checkpoint"] = known(!status.checkpoint.empty(), status.checkpoint);
  json["checkpoint_step"] = known(!status.checkpoint.empty(), status.checkpoint_step.value);
  json["saves"] = known(!status.save_interval.empty(), status.save_interval);
  json["saves_because"] = known(!status.save_interval.empty(), status.save_reason);
  json["skipped_steps"] = status.skipped_steps;
  json["rollbacks"] = status.rollbacks;
  json["state_hash"] = known(!status.state_hash.empty(), status.state_hash);
  return json;
}

std::string as_text(const Json& json) {
  const auto text = [&](const char* key) {
    return json[key].is_string() ? printable(json[key].get<std::string>()) : json[key].dump();
  };
  std::string all = fmt::format("{:<12}{}\n", "run", text("name"));
  all += fmt::format("{:<12}{}", "state", text("state"));
  if (!json["owner"].is_null()) all += " (" + text("owner") + ")";
  all += fmt::format("\n{:<12}{}\n{:<12}{}", "attempts", text("attempts"), "step", text("step"));
  if (!json["of"].is_null()) all += " of " + text("of");
  all += "\n";
  for (const char* key : {"loss", "time", "checkpoint"})
    if (!json[key].is_null()) all += fmt::format("{:<12}{}\n", key, text(key));
  if (!json["saves"].is_null())
    all += fmt::format("{:<12}{} ({})\n", "saves", text("saves"), text("saves_because"));
  if (json["skipped_steps"] != 0 || json["rollbacks"] != 0)
    all += fmt::format("{:<12}{} steps skipped, {} rollbacks\n", "setbacks", text("skipped_steps"),
                       text("rollbacks"));
  if (!json["state_hash"].is_null()) all += fmt::format("{:<12}{}\n", "state_hash", text("state_hash"));
  return all;
}

void status_command(const StatusArguments& arguments, const ExtraTypes& types) {
  const RunStatus status = read_run_status(real_disk(), arguments.directory);
  const Json json = as_json(arguments.directory, status, steps_in_all(arguments.directory, status, types));
  print(arguments.json ? json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n" : as_text(json));
}

}  // namespace

void add_status_command(CLI::App& app, const ExtraTypes& types) {
  const auto arguments = std::make_shared<StatusArguments>();
  CLI::App* command = app.add_subcommand("status",
                                         "Examples:\n"
                                         "  lockstep status runs/digits\n"
                                         "  lockstep status runs/digits --json\n\n"
                                         "Where a run is: state, attempts, step, loss, last checkpoint.");
  command->add_option("RUN_DIR", arguments->directory, "A run directory")->required();
  command->add_flag("--json", arguments->json, "One JSON object");
  command->callback([arguments, types] { status_command(*arguments, types); });
}

}  // namespace lockstep
