// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "report/pulse.h"

namespace lockstep {

// What is known of a run beside its journal.
struct Signs {
  enum class Supervisor { kLives, kGone, kUnknown };  // of another host, or of Slurm: unknown
  bool done = false;
  bool held = false;  // a process has the run's lock
  Supervisor supervisor = Supervisor::kUnknown;
  std::int64_t attempt = 0;  // the newest
  double began = 0;          // when it began, as far as that is known; seconds since 1970
  double now = 0;
};

// What a run does, or why it does nothing.
struct Standing {
  std::string state;   // starting, running, not moving, waiting, stopped, gave up or done
  std::string why;     // half a sentence; empty where the state says it all
  double quiet_s = 0;  // since the last line of metrics.jsonl, or since the attempt began

  // Nothing more will come of this by itself.
  bool is_over() const { return state == "stopped" || state == "gave up" || state == "done"; }
};

// Local. A run does not move when there was no line for ten times the usual, twice the longest of this
// attempt and ten seconds, or none at all for five minutes; what its journal says of the cause is said too.
Standing standing_of(const Pulse& pulse, const Signs& signs);

// "3m20s", "0.21 s".
std::string length_of(double seconds);

}  // namespace lockstep
