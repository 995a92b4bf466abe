// SPDX-License-Identifier: Apache-2.0
#include "loop/stop_budget.h"

#include <algorithm>

namespace lockstep {
namespace {

constexpr double kAssumedBytesPerSecond = 200e6;
constexpr double kAssumedSeconds = 3;
// Between the end of the save and the end of the process: the last lines, MPI, the launcher.
constexpr double kLeaving = 5;
constexpr int kBlock = 1000;

double with_margin(double save_s) {
  return 1.25 * save_s + 0.1;
}

}  // namespace

StopSave choose_stop_save(const StopSituation& now, std::optional<double> save_s) {
  if (now.saved) return StopSave::kNone;
  const auto fits = [&](double needed) { return !now.left_s || needed <= *now.left_s; };
  const double save = with_margin(save_s.value_or(0));
  if (!now.flight_age_s) return !save_s || fits(save) ? StopSave::kSave : StopSave::kTooLate;
  if (now.flight_is_last || !save_s || *now.flight_age_s <= *save_s) return StopSave::kFinish;
  // Overdue: nobody knows how long it still takes, so it is given another half of what it should have.
  return fits(0.5 * *save_s + save) ? StopSave::kFinishAndSave : StopSave::kFinish;
}

StopBudget::StopBudget(double state_bytes)
    : unmeasured_save_s_(kAssumedSeconds + state_bytes / kAssumedBytesPerSecond) {}

void StopBudget::step_took(double seconds) {
  longest_ = std::max(longest_, seconds);
  if (++steps_ < kBlock) return;
  steps_ = 0;
  longest_before_ = longest_;
  longest_ = 0;
}

double StopBudget::step_s() const {
  return std::max(longest_, longest_before_);
}

double StopBudget::lead_s(const SaveTimes& saves) const {
  return step_s() + with_margin(saves.expected().value_or(unmeasured_save_s_));
}

double StopBudget::lead_to_end_s(const SaveTimes& saves) const {
  // One step more: whether the next one still fits is asked before it begins.
  return lead_s(saves) + step_s() + kLeaving;
}

}  // namespace lockstep
