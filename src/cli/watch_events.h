// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "comm/watch/watchdog.h"
#include "lockstep/base/units.h"

namespace lockstep {

// Local. Tells a supervisor why the ranks leave with 76: what the launcher returns may be the code of the
// process that was lost. For the time before there is a run directory.
WatchSink watch_alarm();

// Local. That, and the watchdog's events in the journal of the run. For every rank: one that has lost rank 0
// tells of it.
WatchSink watch_events(const std::string& run_directory, Attempt attempt);

}  // namespace lockstep
