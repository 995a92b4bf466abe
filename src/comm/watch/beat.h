// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "lockstep/comm/watch.h"

namespace lockstep {

// What a rank's watchdog says of it four times a second; sent as it lies in memory, since all ranks of a job
// are one program. Times are seconds until the moment it was written.
struct Beat {
  std::int32_t rank = 0;
  Phase phase = Phase::kStartUp;
  float in_phase = 0;
  float phase_limit = 0;
  std::int64_t sequence = 0;    // of the newest collective
  std::uint64_t bytes = 0;      // of it
  std::array<char, 24> call{};  // its name
  float in_call = -1;           // < 0: it has returned, or there was none
  float call_limit = 0;
  std::int32_t waits_for_disk = 0;  // a thread is inside the kernel and cannot be interrupted
  float block_s = 0;                // Watch::Glimpse
  std::int64_t block = 0;

  bool inside_call() const { return in_call >= 0; }
};

// Local. How a rank looks now.
Beat take_beat(int rank, const Watch& watch, const class PhaseLimits& limits);

}  // namespace lockstep
