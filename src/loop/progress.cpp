// SPDX-License-Identifier: Apache-2.0
#include "loop/progress.h"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep {
namespace {
constexpr std::chrono::milliseconds kLiveInterval{100};

std::string duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::max(0.0, seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
}
}  // namespace

Progress::Progress(const Clock& clock, const Options& options, Sink sink)
    : clock_(&clock), options_(options), sink_(sink) {}

void Progress::begin(Step first, Step last) {
  first_ = first;
  last_ = last;
  begun_ = clock_->monotonic();
  shown_ = begun_;
}

double Progress::samples_per_second(Step step) const {
  const double seconds = std::chrono::duration<double>(clock_->monotonic() - begun_).count();
  const auto samples = static_cast<double>((step.value - first_.value + 1) * options_.global_batch);
  return seconds > 0 ? samples / seconds : 0;
}

std::string Progress::text(Step step, double loss) const {
  const double rate = samples_per_second(step);
  const auto left = static_cast<double>((last_.value - step.value) * options_.global_batch);
  return fmt::format("step {}/{}  loss {:#.5g}  {:.4g} samples/s  eta {}  checkpoint {}", step.value,
                     last_.value, loss, rate, rate > 0 ? duration(left / rate) : "?",
                     last_saved_.value > 0 ? std::to_string(last_saved_.value) : "none yet");
}

void Progress::step(Step step, double loss) {
  const auto now = clock_->monotonic();
  const bool last = step == last_;
  if (options_.terminal) {
    if (now - shown_ < kLiveInterval && !last) return;
    sink_("\r\033[K" + text(step, loss));
    line_open_ = true;
  } else {
    if (now - shown_ < options_.interval && !last && step != first_) return;
    sink_(text(step, loss) + "\n");
  }
  shown_ = now;
}

void Progress::end_line() {
  if (!line_open_) return;
  sink_("\n");
  line_open_ = false;
}

}  // namespace lockstep
