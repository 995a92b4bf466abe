// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

namespace lockstep {

// Time as the program sees it; a test hands in one it can turn by hand.
class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic: for durations, never negative, whatever happens to the wall clock.
  virtual std::chrono::nanoseconds monotonic() const = 0;
  // Wall clock, for people and log lines only. Nothing is ever ordered by it.
  virtual std::chrono::system_clock::time_point wall() const = 0;
};

Clock& real_clock();

// "2026-11-24T08:15:30.123Z"
std::string iso_time(std::chrono::system_clock::time_point when);

}  // namespace lockstep
