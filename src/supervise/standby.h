// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "supervise/former_life.h"
#include "supervise/mpirun_launch.h"

namespace lockstep {

// The next attempt, started before it is needed: its ranks are loaded, have touched nothing, and wait at a
// gate. It leaves nothing behind. Local; one thread.
class Standby {
 public:
  // Is there memory enough for ranks that only wait?
  static bool has_room(int ranks);

  // Starts it. Throws Fault (69) when mpirun cannot work here.
  Standby(const LaunchParts& parts, const std::string& address);
  ~Standby();
  Standby(const Standby&) = delete;
  Standby& operator=(const Standby&) = delete;

  // Its mpirun runs.
  bool lives();
  // For a successor.
  SessionRecord record() const;
  // Lets the ranks go on, as an attempt that begins now. Null, and nothing has gone on, when `now` would
  // start something else, or when not all of them are there.
  std::unique_ptr<MpirunLaunch> release(const LaunchParts& now);

 private:
  std::unique_ptr<MpirunLaunch> launch_;
};

}  // namespace lockstep
