// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "drill/disturbance.h"

namespace lockstep {

// What a person asks of a drill.
struct DrillWishes {
  int kills = 0;
  int hangs = 0;
  int full_disks = 0;
  std::vector<std::string> chosen;  // KIND[:RANK]@STEP each
  std::vector<int> ranks;           // of the lives, one after the other, and again from the first
  std::int64_t steps = 0;           // of the whole run
  std::uint64_t seed = 0;           // decides what is not chosen
};

// Local. The faults in the order in which they strike, the i-th in the i-th life. Random ones are spread over
// the steps, one in each equal stretch; one kill in four comes while the ranks start. Pure: a seed gives the
// same plan everywhere. Throws Fault (64) for a chosen fault that cannot be read or cannot strike, and where
// a rank would hang alone.
std::vector<Disturbance> plan_drill(const DrillWishes& wishes);

// Local. The number of ranks of life `life`, from 0.
int ranks_of_life(const std::vector<int>& ranks, std::size_t life);

}  // namespace lockstep
