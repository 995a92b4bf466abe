// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

namespace lockstep {

// When a stop has to be over, as whoever started the ranks says. Empty: nobody says, and a save takes the
// time it takes.
struct StopTimes {
  std::optional<double> grace_s;   // from a TERM to the KILL
  std::optional<double> end_time;  // of the job, in seconds since 1970
};

}  // namespace lockstep
