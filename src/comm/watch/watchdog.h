// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "comm/watch/options.h"
#include "lockstep/comm/world.h"

namespace lockstep {

// Where a watchdog's news go beside the log: an event's name and fields. Called from any thread, on rank 0
// and on ranks that have lost it. The events: rank_lost (a process is gone), hang, straggler, storage_slow.
using WatchSink = std::function<void(const std::string&, const std::map<std::string, std::string>&)>;

// Note [watchdog]: a thread in every rank, with its own TCP connection to rank 0's, so that it needs neither
// MPI nor the thread that trains. It tells four times a second what its rank does (Beat). Rank 0 judges (Note
// [who is late]) and tells all to leave; a rank that loses rank 0 leaves by itself. Leaving is _exit(76),
// behind a deadline that nothing can hold up; a rank of the same host that does not answer is ended with
// SIGKILL. A process that ends without a goodbye is noticed by its closed connection, or its pidfd, at once.
// If this thread itself was not running for a while, the whole job was stopped (Ctrl-Z, a debugger, a
// suspended job): all clocks begin anew.
class Watchdog {
 public:
  // Local. Starts to watch this process alone, in start-up.
  explicit Watchdog(const WatchOptions& options);
  // Never runs in a process that ends by exit(): its peers shall see that.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Collective. From here on the ranks of `world` watch each other. A rank that cannot reach rank 0 watches
  // itself, and a warning says so.
  void join(World& world);

  // Local.
  void tell(WatchSink sink);

  // Local. The job ends: from here on a process that is gone is none too few.
  void leaving();

  // Local. Tells the others that this rank ends by itself; waits 200 ms at most. Nobody is watched any more.
  void say_goodbye() noexcept;

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace lockstep
