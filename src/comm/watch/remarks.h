// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "comm/watch/judge.h"
#include "comm/watch/peers.h"
#include "comm/watch/stragglers.h"
#include "comm/watch/watchdog.h"

namespace lockstep {

// What rank 0's watchdog says while the job goes on: which rank is slower than the others, which waits for
// its disk; into the log and the sink. Used by the watchdog's thread alone. Local.
class Remarks {
 public:
  void tell(WatchSink sink) { sink_ = std::move(sink); }
  const WatchSink& sink() const { return sink_; }
  // Compares as many ranks from here on.
  void compare(int ranks) { stragglers_ = Stragglers(ranks); }

  // Names a rank when it becomes the straggler; `watch` is told its ratio. On other ranks than 0 nothing.
  void note_straggler(const Beat& beat, const WatchPeers& peers, Watch& watch);
  // Again each time that it has lasted twice as long.
  void note_slow_storage(const RankView& view);

 private:
  void say(std::string event, std::string text, std::map<std::string, std::string> fields) const;

  WatchSink sink_;
  Stragglers stragglers_{1};
  int named_straggler_ = -1;
  double storage_said_ = 0;
};

}  // namespace lockstep
