// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lockstep/base/clock.h"

namespace lockstep {

// A clock that a test turns by hand; both times start at 0.
class ManualClock : public Clock {
 public:
  void advance(std::chrono::nanoseconds by) { now_ += by; }
  std::chrono::nanoseconds monotonic() const override { return now_; }
  std::chrono::system_clock::time_point wall() const override {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(now_));
  }

 private:
  std::chrono::nanoseconds now_{0};
};

}  // namespace lockstep
