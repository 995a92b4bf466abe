// SPDX-License-Identifier: Apache-2.0
#include "loop/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace lockstep {
namespace {
constexpr std::chrono::milliseconds kLiveInterval{100};
constexpr std::chrono::seconds kKept{60};  // what the time left is told by

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
  line_ = now(Step(first.value - 1));
  shown_ = {line_};
}

double Progress::rate(const Waypoint& from, const Waypoint& to) const {
  const double seconds = std::chrono::duration<double>(to.time - from.time).count();
  const auto samples = static_cast<double>((to.step.value - from.step.value) * options_.global_batch);
  return seconds > 0 ? samples / seconds : 0;
}

double Progress::line_rate(Step step) {
  const Waypoint before = std::exchange(line_, now(step));
  return rate(before, line_);
}

const Progress::Waypoint& Progress::shown_before(std::chrono::nanoseconds age) const {
  const auto since = clock_->monotonic() - age;
  const auto later =
      std::find_if(shown_.begin(), shown_.end(), [&](const Waypoint& w) { return w.time > since; });
  return later == shown_.begin() ? shown_.front() : *std::prev(later);
}

void Progress::forget_old() {
  const auto since = clock_->monotonic() - kKept;
  while (shown_.size() > 1 && shown_[1].time <= since) shown_.pop_front();
}

std::string Progress::text(Step step, double loss) const {
  const Waypoint here = now(step);
  // On a terminal lines are too close to have a rate each.
  const double speed = rate(shown_before(options_.interval), here);
  const double pace = rate(shown_before(kKept), here);
  const auto left = static_cast<double>((last_.value - step.value) * options_.global_batch);
  return fmt::format("step {}/{}  loss {:#.5g}  {:.4g} samples/s  eta {}  checkpoint {}", step.value,
                     last_.value, loss, speed, pace > 0 ? duration(left / pace) : "?",
                     last_saved_.value > 0 ? std::to_string(last_saved_.value) : "none yet");
}

void Progress::step(Step step, double loss) {
  const auto passed = clock_->monotonic() - shown_.back().time;
  const bool last = step == last_;
  if (options_.terminal) {
    if (passed < kLiveInterval && !last) return;
    sink_("\r\033[K" + text(step, loss));
    line_open_ = true;
  } else {
    if (passed < options_.interval && !last && step != first_) return;
    sink_(text(step, loss) + "\n");
  }
  shown_.push_back(now(step));
  forget_old();
}

void Progress::end_line() {
  if (!line_open_) return;
  sink_("\n");
  line_open_ = false;
}

}  // namespace lockstep
