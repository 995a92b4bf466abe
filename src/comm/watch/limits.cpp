// SPDX-License-Identifier: Apache-2.0
#include "comm/watch/limits.h"

#include <algorithm>

namespace lockstep {
namespace {

constexpr double kGenerous = 10;
constexpr double kNeverSeen = 10;
constexpr double kNeverSeenLeast = 60;
constexpr double kStorage = 30;

}  // namespace

double PhaseLimits::usual(double longest_s) const {
  if (longest_s <= 0) return std::max(kNeverSeen * base(), kNeverSeenLeast);
  return options_.limit_s > 0 ? options_.limit_s : std::max(options_.floor_s, kGenerous * longest_s);
}

double PhaseLimits::of_phase(Phase phase, double longest_s) const {
  // Start-up reads data and checkpoints in full.
  if (is_storage(phase) || phase == Phase::kStartUp) return std::max(kStorage * base(), kNeverSeenLeast);
  if (phase == Phase::kLeaving) return usual(0);
  return usual(longest_s);
}

double PhaseLimits::of_call(double longest_s) const {
  return usual(longest_s);
}

}  // namespace lockstep
