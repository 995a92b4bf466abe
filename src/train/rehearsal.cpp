// SPDX-License-Identifier: Apache-2.0
#include "train/rehearsal.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/run_layout.h"
#include "comm/agree.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "parallel/kept_buffers.h"
#include "shelf/verified_ledger.h"

namespace lockstep {
namespace {

void refuse_options_without_effect(const Rehearsal& run) {
  if (run.schedule.warmup_steps > run.plan.last_step.value)
    throw Fault(ExitCode::kConfig,
                fmt::format("schedule.warmup_steps is {} and the run has {} steps", run.schedule.warmup_steps,
                            run.plan.last_step.value),
                "The warm-up must end within the run");
  if (run.valid_data != nullptr) {
    if (run.valid_data->size() < 1)
      throw Fault(ExitCode::kInputMissing, "the validation data has no sample",
                  "Check data.valid, or data.holdout_every");
    return;
  }
  const char* const remedy = "Give data.valid or data.holdout_every, or take it out";
  if (run.eval_every > 0)
    throw Fault(ExitCode::kConfig, "train.eval_every has no effect: there is no validation data", remedy);
  if (run.keep_best.count > 0)
    throw Fault(ExitCode::kConfig, "checkpoint.keep_best has no effect: there is no validation data", remedy);
}

void refuse_unknown_metric(const KeepBest& keep, const std::vector<std::string>& names) {
  if (keep.count == 0 || std::ranges::find(names, keep.metric) != names.end()) return;
  throw Fault(
      ExitCode::kConfig,
      fmt::format("checkpoint.keep_best.metric is {}, which no evaluation of this model gives", keep.metric),
      fmt::format("It gives {}", fmt::join(names, ", ")));
}

void try_evaluation(const Rehearsal& run) {
  if (run.valid_data == nullptr) return;
  const KeptBuffers kept(run.state.arena());
  std::vector<std::string> names =
      try_chunks({run.world, run.state.model(), *run.valid_data, run.state.compute()}, run.evaluation);
  kept.put_back();
  for (std::string& name : names) name = "valid_" + name;
  refuse_unknown_metric(run.keep_best, names);
}

// What is replaced must not be a folder, what is appended to must open for it.
void look_at_files(const Rehearsal& run) {
  const auto refuse = [&](const std::string& path, const std::string& why) {
    throw Fault(ExitCode::kRunDirectory, path + ": " + why,
                "Move it out of the way, or choose another run.dir");
  };
  const RunLayout files(run.directory);
  const std::string shelf = files.checkpoints() + "/";
  for (const std::string& path :
       {files.weights(), files.done(), shelf + "latest", shelf + "best", shelf + kLedgerFile}) {
    const auto there = run.disk.info(path);
    if (there && there->is_directory) refuse(path, "a folder is where the run will write a file");
  }
  for (const std::string& path : {files.metrics(), files.events()}) try {
      run.disk.append(path, "");
    } catch (const Fault& fault) {
      refuse(path, "cannot be written: " + fault.fact());
    }
}

}  // namespace

void rehearse(const Rehearsal& run) {
  together(run.world, [&] {
    refuse_options_without_effect(run);
    try_evaluation(run);
  });
  on_root(run.world, [&] {
    look_at_files(run);
    if (run.keep_best.count > 0 && run.eval_every == 0)
      log_warning(
          "checkpoint.keep_best has one evaluation to choose from, that of the last step: train.eval_every "
          "is 0");
  });
}

}  // namespace lockstep
