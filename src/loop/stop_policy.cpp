// SPDX-License-Identifier: Apache-2.0
#include "loop/stop_policy.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"
#include "run/stop_signals.h"

namespace lockstep {
namespace {

using Seconds = std::chrono::duration<double>;

// A measure that is that much longer than the one before is news.
constexpr double kNews = 1.5;

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

bool this_rank_is_asked() {
  return stop_signal_received() != 0 && !fault_requested("guard.skip_stop");
}

double wall_seconds(const Clock& clock) {
  return std::chrono::duration_cast<Seconds>(clock.wall().time_since_epoch()).count();
}

}  // namespace

StopPolicy::StopPolicy(const Parts& parts) : parts_(parts), budget_(parts.state_bytes) {
  if (parts_.times.end_time && *parts_.times.end_time <= wall_seconds(parts_.clock)) {
    if (parts_.world.is_root())
      log_warning("LOCKSTEP_END_TIME={:.0f} has passed already: the run does not stop by it",
                  *parts_.times.end_time);
    parts_.times.end_time.reset();
  }
}

void StopPolicy::begin_step(Step step, const SaveTimes& saves) {
  const auto now = parts_.clock.monotonic();
  if (step_began_) budget_.step_took(Seconds(now - *step_began_).count());
  step_began_ = now;
  note_stop_wait(StopWait::kStep, step.value, saves.expected().value_or(0));
}

bool StopPolicy::end_is_near(const SaveTimes& saves) const {
  if (!parts_.times.end_time) return false;
  return *parts_.times.end_time - wall_seconds(parts_.clock) <= budget_.lead_to_end_s(saves);
}

Agreed<Wish> StopPolicy::ask(bool save_is_due, const SaveTimes& saves) {
  const bool asked = this_rank_is_asked();
  const bool is_root = parts_.world.is_root();
  Wish mine = save_is_due && is_root ? Wish::kSave : Wish::kGoOn;
  if (take_save_request()) mine = Wish::kSaveNow;
  if (asked || (is_root && end_is_near(saves))) mine = Wish::kStop;
  Agreed<Wish> wish = agree_max(parts_.world, mine);
  if (wish.value == Wish::kSaveNow) note_save_granted();
  return wish;
}

Agreed<bool> StopPolicy::is_asked() {
  return agree_max(parts_.world, this_rank_is_asked());
}

Agreed<StopSave> StopPolicy::choose(StopSituation now, const SaveTimes& saves) {
  std::optional<double> left = stop_seconds_left();
  if (!left && parts_.times.end_time)
    left = std::max(*parts_.times.end_time - wall_seconds(parts_.clock), 0.0);
  const std::int64_t mine = left ? std::llround(*left * 1000) : kNoLimit;
  const Agreed<std::int64_t> shortest = agree_min(parts_.world, mine);
  now.left_s.reset();
  if (shortest.value != kNoLimit) {
    now.left_s = static_cast<double>(shortest.value) / 1000;
    deadline_ = parts_.clock.monotonic() + std::chrono::milliseconds(shortest.value);
  }
  const StopSave choice = choose_stop_save(now, saves.expected());
  return agree_max(parts_.world, parts_.world.is_root() ? choice : StopSave::kNone);
}

double StopPolicy::seconds_left() const {
  return deadline_ ? Seconds(*deadline_ - parts_.clock.monotonic()).count() : 0;
}

void StopPolicy::look_ahead(const SaveTimes& saves) {
  const auto save = saves.expected();
  if (!save || !parts_.world.is_root()) return;
  const double lead = budget_.lead_s(saves);
  if (lead <= kNews * announced_s_) return;
  announced_s_ = lead;
  parts_.reporter.event("stop_lead", {{"save_seconds", fmt::format("{:.3f}", *save)},
                                      {"step_seconds", fmt::format("{:.3f}", budget_.step_s())},
                                      {"lead_seconds", fmt::format("{:.3f}", lead)}});
  if (parts_.times.grace_s && lead > *parts_.times.grace_s)
    log_warning(
        "a stop by TERM leaves {:g} s, and a step ({:.1f} s) with its save ({:.1f} s) needs {:.1f} s: it "
        "would save nothing. {}",
        *parts_.times.grace_s, budget_.step_s(), *save, lead, remedy(saves));
}

std::string StopPolicy::cause() const {
  const int signal = stop_signal_received();
  return signal != 0 ? fmt::format("signal {}", signal) : "the end of the job or another rank";
}

std::string StopPolicy::remedy(const SaveTimes& saves) const {
  const double lead = std::ceil(budget_.lead_to_end_s(saves));
  return fmt::format("Ask earlier: sbatch --signal=B:USR1@{:.0f}, or lockstep run --grace {:.0f}", lead,
                     lead);
}

}  // namespace lockstep
