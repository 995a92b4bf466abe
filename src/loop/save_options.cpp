// SPDX-License-Identifier: Apache-2.0
#include "loop/save_options.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

void refuse(const std::string& fact, const std::string& remedy) {
  throw Fault(ExitCode::kConfig, "SaveOptions: " + fact, remedy);
}

}  // namespace

void require_sane(const SaveOptions& options) {
  if (options.steps < 1)
    refuse(fmt::format("steps is {}", options.steps), "Give the number of updates of the whole run");
  if (options.every_steps < 0 || !(options.every_minutes >= 0))
    refuse("an interval is negative", "Give 0 or more");
  if (options.keep_last < 1) refuse(fmt::format("keep_last is {}", options.keep_last), "Keep at least 1");
  if (options.log_every < 1) refuse(fmt::format("log_every is {}", options.log_every), "Give at least 1");
  if (!from_word<SaveLayout>(options.layout))
    refuse("layout is '" + options.layout + "'", "It is auto, consolidated or sharded");
  if (!from_word<BestMode>(options.best_mode))
    refuse("best_mode is '" + options.best_mode + "'", "It is min or max");
  if (options.on_nan != "stop" && options.on_nan != "keep")
    refuse("on_nan is '" + options.on_nan + "'", "It is stop or keep");
  if (!nlohmann::json::accept(options.metadata)) refuse("metadata is no JSON", "Give a JSON text");
}

CheckpointOptions checkpoint_options(const SaveOptions& options) {
  CheckpointOptions out;
  out.every_steps = options.every_steps;
  out.every_minutes = options.every_minutes;
  out.layout = from_word<SaveLayout>(options.layout).value_or(SaveLayout::kAuto);
  out.async = options.beside;
  out.keep_last = options.keep_last;
  out.keep_every = options.keep_every;
  if (!options.best_metric.empty())
    out.keep_best = {options.best_metric, from_word<BestMode>(options.best_mode).value_or(BestMode::kMin), 1};
  return out;
}

std::string lines_of(const SaveOptions& options) {
  return fmt::format(
      "steps {}\nevery_steps {}\nevery_minutes {}\nkeep_last {}\nkeep_every {}\nbest_metric {}\nbest_mode "
      "{}\n"
      "layout {}\nbeside {}\nresume {}\non_nan {}\n",
      options.steps, options.every_steps, options.every_minutes, options.keep_last, options.keep_every,
      options.best_metric, options.best_mode, options.layout, options.beside, options.resume, options.on_nan);
}

std::string config_text(const SaveOptions& options, const std::string& directory) {
  return fmt::format(
      "# A loop of one's own; its options are in the program.\nrun:\n  dir: {}\ntrain:\n  steps: {}\n",
      nlohmann::json(directory).dump(), options.steps);
}

}  // namespace lockstep
