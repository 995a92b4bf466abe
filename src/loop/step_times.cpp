// SPDX-License-Identifier: Apache-2.0
#include "loop/step_times.h"

namespace lockstep {
namespace {

bool has_a_name_of_its_own(Phase phase) {
  return phase == Phase::kData || phase == Phase::kCompute || phase == Phase::kExchange ||
         phase == Phase::kOptimizer;
}

bool is_of_a_step(Phase phase) {
  return phase != Phase::kStartUp && phase != Phase::kLeaving;
}

}  // namespace

void StepTimes::begin(Step last) {
  last_ = last;
  spent_ = watch_->spent();
}

std::map<std::string, double> StepTimes::until(Step step) {
  const auto now = watch_->spent();
  const auto steps = static_cast<double>(step.value - last_.value);
  std::map<std::string, double> seconds;
  for (int i = 0; steps > 0 && i < kPhases; ++i) {
    const auto phase = static_cast<Phase>(i);
    if (!is_of_a_step(phase)) continue;
    const auto index = static_cast<std::size_t>(i);
    const std::string name = has_a_name_of_its_own(phase) ? std::string(name_of(phase)) : "other";
    seconds[name] += static_cast<double>(now[index] - spent_[index]) * 1e-9 / steps;
  }
  begin(step);
  return seconds;
}

}  // namespace lockstep
