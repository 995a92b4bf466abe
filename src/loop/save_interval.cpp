// SPDX-License-Identifier: Apache-2.0
#include "loop/save_interval.h"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep {

SaveInterval::SaveInterval(const CheckpointOptions& options, const Clock& clock)
    : every_steps_(options.every_steps),
      every_minutes_(options.every_minutes),
      time_share_(options.time_share),
      clock_(&clock),
      begun_(clock.monotonic()) {}

bool SaveInterval::due_at(Step step) const {
  return every_steps_ > 0 && step.value % every_steps_ == 0;
}

bool SaveInterval::due_now() const {
  return by_clock() && clock_->monotonic() - begun_ >= interval();
}

bool SaveInterval::stretched() const {
  return time_share_ > 0 && last_save_.count() > 60 * every_minutes_ * time_share_;
}

std::chrono::duration<double> SaveInterval::interval() const {
  return stretched() ? last_save_ / time_share_ : std::chrono::duration<double>(60 * every_minutes_);
}

std::string SaveInterval::text() const {
  const std::string steps = every_steps_ > 0 ? fmt::format("every {} steps", every_steps_) : "";
  if (!by_clock()) return steps.empty() ? "the last step" : steps;
  const std::string minutes = fmt::format("every {:.4g} minutes", interval().count() / 60);
  return steps.empty() ? minutes : steps + " and " + minutes;
}

std::string SaveInterval::why() const {
  if (stretched())
    return fmt::format("the last save took {:.1f} s, and by default saving takes at most {:g} % of the time",
                       last_save_.count(), 100 * time_share_);
  if (time_share_ > 0) return "the default, where neither checkpoint.every_steps nor every_minutes is given";
  if (!by_clock()) return "checkpoint.every_steps";
  return every_steps_ > 0 ? "checkpoint.every_steps, checkpoint.every_minutes" : "checkpoint.every_minutes";
}

}  // namespace lockstep
