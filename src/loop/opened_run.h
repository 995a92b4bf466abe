// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/watched_disk.h"
#include "comm/launch/job.h"
#include "comm/watch/watchdog.h"
#include "lockstep/base/units.h"
#include "lockstep/comm/world.h"
#include "loop/reporter.h"
#include "run/run_directory.h"

namespace lockstep {

struct RunToOpen {
  std::string name;
  std::string dir;
  std::string config_text;  // for config.yaml
  std::int64_t log_every = 10;
  std::int64_t global_batch = 1;  // samples a step, for progress
  bool tensorboard = false;
};

// A run directory that the ranks of a job work on: its disk, its lock, who it is and which attempt this is,
// and what speaks of it.
struct OpenedRun {
  std::unique_ptr<WatchedDisk> disk;
  std::unique_ptr<RunDirectory> run_directory;  // rank 0's; null on the others
  std::string directory;                        // links on the way followed; the same on every rank
  std::string run_id;
  Attempt attempt{1};
  Reporter reporter;
};

// Collective. Takes the run directory on rank 0, agrees on run id and attempt; from here on log, supervisor,
// watchdog and the disk's slow operations have the run to speak of, and fault points are armed. Throws
// AgreedFault: 73, 77.
OpenedRun open_run(World& world, const RunToOpen& run);

// Collective. join_world(); from here on rank 0's log speaks for the job, and the watchdog tells the
// supervisor.
World join_speaking(JoinOptions options);

// Local. Tells a supervisor why the ranks leave with 76: what the launcher returns may be the code of the
// process that was lost. For the time before there is a run directory.
WatchSink watch_alarm();

}  // namespace lockstep
