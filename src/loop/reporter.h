// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "loop/progress.h"
#include "loop/step_times.h"
#include "run/journal.h"

namespace lockstep {

// What a run tells people and files. Rank 0 speaks; on the others every function does nothing.
class Reporter {
 public:
  // A silent one.
  Reporter() = default;
  Reporter(Journal journal, Progress progress, std::int64_t every_steps);
  // The lines have the time by phase too, and stragglers. Before begin().
  void time_phases(std::shared_ptr<const Watch> watch) { times_.emplace(std::move(watch)); }

  void begin(Step first, Step last);
  // Shows the step; writes it to the journal where `due(step)` or it was evaluated.
  void step(const StepRecord& record, bool last);
  // Is this step's line kept: the first, every log.every_steps-th, the last?
  static bool due(Step step, std::int64_t every_steps);
  void saved(Step step);
  // One line in the log and one in events.jsonl.
  void event(const std::string& name, const std::map<std::string, std::string>& fields);
  // Local, from any thread: the lines of all that was told are in the files. A checkpoint is committed behind
  // them, so that a life that goes on from it has none to write again. Throws Fault (74).
  void flush();
  // On the way out: for that long at most, without a throw.
  void flush_for(std::chrono::milliseconds limit);

 private:
  std::optional<Journal> journal_;
  std::optional<Progress> progress_;
  std::optional<StepTimes> times_;
  std::int64_t every_steps_ = 1;
};

}  // namespace lockstep
