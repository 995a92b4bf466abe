// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "lockstep/base/units.h"
#include "lockstep/comm/watch.h"

namespace lockstep {

// How long a step takes, by phase, on this rank: what its watch counted between two lines of the journal.
// Local; the training thread.
class StepTimes {
 public:
  explicit StepTimes(std::shared_ptr<const Watch> watch) : watch_(std::move(watch)) {}

  const Watch& watch() const { return *watch_; }
  // What comes next is of the steps behind `last`.
  void begin(Step last);
  // Seconds a step in data, compute, exchange, optimizer and other, the mean of those since the last call.
  // Start-up is in none of them. Empty where there was no step since.
  std::map<std::string, double> until(Step step);

 private:
  std::shared_ptr<const Watch> watch_;
  Step last_{0};
  std::array<std::int64_t, kPhases> spent_{};
};

}  // namespace lockstep
