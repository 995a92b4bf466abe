// SPDX-License-Identifier: Apache-2.0
#include "loop/save_at_stop.h"

#include <fmt/format.h>

#include "comm/launch/job.h"
#include "lockstep/base/log.h"
#include "run/stop_signals.h"
#include "run/supervisor_line.h"

namespace lockstep {
namespace {

// What the last words and the launcher need of the time there is.
constexpr auto kLastWords = std::chrono::milliseconds(500);

std::string newest(const Checkpointer& checkpointer) {
  const Step step = checkpointer.last_step();
  return step > Step(0) ? fmt::format("the newest checkpoint is that of step {}", step.value)
                        : std::string("there is no checkpoint");
}

void tell_unsaved(const SaveAtStop& parts, Step step, const std::string& why) {
  const SaveTimes& saves = parts.checkpointer.save_times();
  parts.reporter.event("stopped_unsaved",
                       {{"step", std::to_string(step.value)},
                        {"signal", std::to_string(stop_signal_received())},
                        {"newest", std::to_string(parts.checkpointer.last_step().value)},
                        {"save_seconds", fmt::format("{:.3f}", saves.expected().value_or(0))},
                        {"reason", why}});
}

[[noreturn]] void refuse(const SaveAtStop& parts, Step step) {
  const SaveTimes& saves = parts.checkpointer.save_times();
  const std::string fact = fmt::format(
      "stopped at step {} without a save: one takes {:.1f} s, by those before, and there are "
      "{:.1f} s left; {}",
      step.value, saves.expected().value_or(0), parts.policy.seconds_left(), newest(parts.checkpointer));
  tell_unsaved(parts, step, "a save does not fit");
  throw AgreedFault(ExitCode::kPeerLost, fact, parts.policy.remedy(saves));
}

// The threads that write may hang for ever: nobody waits for them.
[[noreturn]] void leave_unsaved(const SaveAtStop& parts, Step step) {
  const std::string fact = fmt::format("the save of step {} was not over when the time was: given up; {}",
                                       step.value, newest(parts.checkpointer));
  tell_unsaved(parts, step, "the save took too long");
  if (parts.world.is_root()) {
    log_error("{}. {}", fact, parts.policy.remedy(parts.checkpointer.save_times()));
    supervisor_line().fault(ExitCode::kPeerLost, fact);
  }
  parts.reporter.flush_for(kLastWords / 2);
  flush_log(kLastWords / 2);
  abort_job(ExitCode::kPeerLost);
}

void note_wait(const SaveAtStop& parts, Step step) {
  note_stop_wait(StopWait::kSave, step.value, parts.checkpointer.save_times().expected().value_or(0));
}

void wait_for_save(const SaveAtStop& parts, Step step) {
  auto deadline = parts.policy.deadline();
  if (deadline) *deadline -= kLastWords;
  if (!parts.checkpointer.drain_by(deadline)) leave_unsaved(parts, step);
}

}  // namespace

Step save_at_stop(const SaveAtStop& parts, const TrainRecord& record) {
  Checkpointer& checkpointer = parts.checkpointer;
  const auto flight = checkpointer.in_flight();
  StopSituation now;
  now.saved = !flight && checkpointer.last_step() == record.step;
  if (flight) now.flight_age_s = flight->age_s;
  now.flight_is_last = flight && flight->step == record.step;
  const StopSave choice = parts.policy.choose(now, checkpointer.save_times()).value;
  if (choice == StopSave::kTooLate) refuse(parts, record.step);
  if (choice == StopSave::kNone) return record.step;

  note_wait(parts, flight ? flight->step : record.step);
  if (flight) wait_for_save(parts, flight->step);
  // A save that failed was none, whatever was chosen.
  const bool enough = choice == StopSave::kFinish && checkpointer.last_step() == flight->step;
  if (enough) return flight->step;
  note_wait(parts, record.step);
  checkpointer.save(record, SaveReason::kAsked);
  wait_for_save(parts, record.step);
  checkpointer.require(record.step);
  return record.step;
}

}  // namespace lockstep
