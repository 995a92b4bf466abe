// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace lockstep {

// What a schedule is asked about: one update behind the warm-up.
struct ScheduleMoment {
  double lr = 0;                                     // optim.lr
  std::int64_t step = 1;                             // the update, from 1
  std::int64_t last_step = 1;                        // of the run
  std::int64_t warmup = 0;                           // schedule.warmup_steps
  const std::map<std::string, std::string>& params;  // schedule.params
};

// The learning rate of that update: at least 0, a function of what it is told alone, since nothing of it is
// in a checkpoint.
using Schedule = std::function<double(const ScheduleMoment&)>;

}  // namespace lockstep
