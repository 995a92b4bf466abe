// SPDX-License-Identifier: Apache-2.0
#include "train/checkpointer.h"

#include <fmt/format.h>

#include "comm/agree.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {
constexpr int kFailuresInARow = 3;
}

Checkpointer::Checkpointer(const Parts& parts, CheckpointOptions options)
    : parts_(parts), options_(std::move(options)) {}

bool Checkpointer::is_due(Step step, Step last_step) const {
  return step == last_step || (options_.every_steps > 0 && step.value % options_.every_steps == 0);
}

void Checkpointer::restored(Step step, const Digest& hash) {
  last_step_ = step;
  last_hash_ = hash;
}

void Checkpointer::save(const TrainRecord& record, bool is_best) {
  agree_same(parts_.world, "the integer buffers of the model",
             fmt::format("{:016x}", parts_.state.integer_digest()), ExitCode::kBug);
  on_root(parts_.world, [&] { save_on_root(record, is_best); });
  // With on_error: continue only rank 0 knows that nothing was saved.
  if (agree_max(parts_.world, failures_).value > 0) return;
  last_step_ = record.step;
  parts_.reporter.saved(record.step);
}

void Checkpointer::require(Step step) {
  const Agreed<Step> newest = agree_min(parts_.world, last_step_);
  if (newest.value < step)
    throw AgreedFault(ExitCode::kStorage,
                      fmt::format("step {} could not be saved; the newest checkpoint is that of step {}",
                                  step.value, newest.value.value),
                      "Make room or repair the disk, then start again: it goes on from there");
}

void Checkpointer::save_on_root(const TrainRecord& record, bool is_best) {
  try {
    const SaveReport report = parts_.store.save({record, parts_.state.tensors()}, is_best);
    last_hash_ = report.state_hash;
    failures_ = 0;
    parts_.reporter.event("checkpoint_saved", {{"step", std::to_string(record.step.value)},
                                               {"directory", report.directory},
                                               {"bytes", std::to_string(report.bytes)},
                                               {"seconds", fmt::format("{:.3f}", report.seconds)},
                                               {"state_hash", report.state_hash.hex()}});
  } catch (const Fault& fault) {
    if (fault.code() != ExitCode::kStorage || options_.on_error != "continue" ||
        ++failures_ >= kFailuresInARow)
      throw;
    log_warning("checkpoint of step {} failed: {}", record.step.value, fault.what());
    parts_.reporter.event("checkpoint_failed",
                          {{"step", std::to_string(record.step.value)}, {"reason", fault.what()}});
  }
}

}  // namespace lockstep
