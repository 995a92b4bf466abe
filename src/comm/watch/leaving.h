// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "comm/watch/peers.h"
#include "comm/watch/watchdog.h"

namespace lockstep {

// Why this rank leaves with 76.
struct LeaveCause {
  std::string text;
  bool hang = true;         // else a process is gone: there is nothing to look at, and no time to lose
  std::vector<int> silent;  // ranks to end where they run on this host
  std::vector<int> culprits;

  std::string encode() const;
  static LeaveCause decode(const std::string& body);
};

// Local. Writes the cause and, after a hang, the stacks of this rank into the log, tells the others and the
// sink, and ends the process with 76, after rank 0 where that has told it to leave; within 7 s (1 s when a
// process is gone) whatever holds it up.
[[noreturn]] void leave(WatchPeers& peers, const LeaveCause& cause, const Watch& watch,
                        const WatchSink& sink);

}  // namespace lockstep
