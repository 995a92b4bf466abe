// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>

namespace lockstep {

// What a signal to the supervisor asks for.
enum class StopWish { kNothing, kSaveAndStop, kSayWhy, kEnd };

// Counts the requests to stop. One sender's several signals within a second are one request (TERM, CONT and
// HUP of a machine that shuts down, of Slurm); a person's every Ctrl-C counts. The first asks the ranks to
// save and stop, the second wants to know what it is waiting for, the third ends them. Local.
class StopRequests {
 public:
  using Time = std::chrono::steady_clock::time_point;

  StopWish add(int signal, Time now);
  // The signal that asked first, 0: none has.
  int signal() const { return first_; }
  Time since() const { return since_; }

 private:
  int first_ = 0;
  int count_ = 0;
  Time since_;
  Time last_;
};

}  // namespace lockstep
