// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "comm/device.h"
#include "comm/options.h"
#include "comm/watch/watchdog.h"
#include "lockstep/base/error.h"
#include "lockstep/comm/world.h"

namespace lockstep {

struct JoinOptions {
  LaunchOptions launch;
  DistOptions dist;
  bool cuda = false;                  // gradients live on a GPU; the same on all ranks, else Fault (78)
  DeviceCommOptions device;           // for cuda
  std::optional<WatchOptions> watch;  // none: nobody watches
};

// Collective over all processes of the job. Under an MPI launcher the world it started, else a world of one
// without MPI. dist.backend decides what moves gradients: auto takes nccl for cuda and the host's
// communicator else. Throws Fault: 69 when MPI, the device or NCCL cannot start, 78 when backend and device
// do not fit.
World join_world(const JoinOptions& options);

// Local. Where the watchdog's news go; nothing without one.
void report_watch_to(WatchSink sink);

// Collective. The way out on which all ranks leave together: after the last World is gone, on success or with
// an AgreedFault.
void leave_job();

// Local. The way out of one rank alone (a Fault that is not agreed, a Bug): the launcher ends the others and
// returns `code`. Safe from any thread. Flush what you have to say before.
[[noreturn]] void abort_job(ExitCode code) noexcept;

}  // namespace lockstep
