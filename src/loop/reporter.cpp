// SPDX-License-Identifier: Apache-2.0
#include "loop/reporter.h"

#include <fmt/format.h>

#include "lockstep/base/log.h"
#include "run/supervisor_line.h"

namespace lockstep {

Reporter::Reporter(Journal journal, Progress progress, std::int64_t every_steps)
    : journal_(std::move(journal)), progress_(std::move(progress)), every_steps_(every_steps) {}

bool Reporter::due(Step step, std::int64_t every_steps) {
  return step.value == 1 || step.value % every_steps == 0;
}

void Reporter::begin(Step first, Step last) {
  if (!progress_) return;
  supervisor_line().resumed(Step(first.value - 1));
  progress_->begin(first, last);
  journal_->begin(first);
  if (times_) times_->begin(Step(first.value - 1));
}

void Reporter::step(const StepRecord& record, bool last) {
  if (!journal_) return;
  progress_->step(record.step, record.loss);
  if (!last && record.metrics.empty() && !due(record.step, every_steps_)) return;
  StepRecord complete = record;
  complete.samples_per_s = progress_->line_rate(record.step);
  if (times_) {
    complete.seconds = times_->until(record.step);
    complete.straggler_ratio = times_->watch().straggler();
  }
  journal_->record(complete);
  if (record.metrics.empty()) return;
  std::string text;
  for (const auto& [name, value] : record.metrics) text += fmt::format("  {} {:#.5g}", name, value);
  progress_->end_line();
  log_info("step {} evaluated:{}", record.step.value, text);
}

void Reporter::saved(Step step) {
  if (!progress_) return;
  supervisor_line().committed(step);
  progress_->saved(step);
}

void Reporter::event(const std::string& name, const std::map<std::string, std::string>& fields) {
  if (!journal_) return;
  progress_->end_line();
  std::string text;
  for (const auto& [key, value] : fields) text += fmt::format(" {}={}", key, value);
  log_info("{}{}", name, text);
  journal_->event(name, fields);
}

void Reporter::flush() {
  if (journal_) journal_->flush();
}

void Reporter::flush_for(std::chrono::milliseconds limit) {
  if (journal_) journal_->flush_for(limit);
}

}  // namespace lockstep
