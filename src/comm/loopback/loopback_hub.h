// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "lockstep/comm/communicator.h"

namespace lockstep {

// What a rank brings to a collective: enough for the others to read from, and to see that all make the same
// call.
struct LoopbackPost {
  std::string call;
  ConstSpan data;
  bool operator==(const LoopbackPost& other) const {
    return call == other.call && data.count == other.data.count && data.dtype == other.data.dtype;
  }
};

// Where the threads of a loopback world meet. Safe from several threads. Every waiting call throws Fault (76)
// as soon as a rank it waits for has failed or gone, so that no test hangs on a dead peer.
class LoopbackHub {
 public:
  explicit LoopbackHub(WorldSize size);

  // All ranks meet; afterwards each may read what the others posted, until it calls meet() again. Throws Bug
  // on every rank when they made different calls.
  void post(Rank rank, LoopbackPost mine);
  const LoopbackPost& posted(int rank) const { return posts_[static_cast<std::size_t>(rank)]; }
  void meet();

  // Messages are copied on sending, so sending never waits.
  void send(Rank from, Rank to, ConstSpan data);
  // Waits for the next message of this pair.
  std::vector<std::byte> receive(Rank from, Rank to);

  // The rank will not come back: finished, or failed with `reason`.
  void leave(Rank rank);
  void fail(Rank rank, std::exception_ptr reason);
  // What the first rank that failed threw; null when none did.
  std::exception_ptr first_failure() const;

 private:
  void throw_lost() const;

  const int size_;
  mutable std::mutex mutex_;  // guards all below but posts_: a rank writes its own, and reads the others'
                              // between two meetings
  std::condition_variable changed_;
  std::vector<LoopbackPost> posts_;
  int arrived_ = 0;        // at the meeting that is going on
  long generation_ = 0;    // meetings that are over
  std::vector<int> gone_;  // in the order they went
  std::exception_ptr first_failure_;
  std::map<std::pair<int, int>, std::deque<std::vector<std::byte>>> mail_;
};

}  // namespace lockstep
