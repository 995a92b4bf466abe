// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "lockstep/base/disk.h"
#include "lockstep/base/units.h"

namespace lockstep {

// Where a run is, as its directory tells it beside the journal of its steps.
struct RunStatus {
  std::string name;
  std::string run_id;
  Attempt attempts{0};
  std::optional<std::string> owner;  // the process that runs it now
  std::string checkpoint;            // directory name of the newest, or empty
  Step checkpoint_step{0};
  // How often saves are made, in words, and why; empty before the first step.
  std::string save_interval;
  std::string save_reason;
  // From that checkpoint: its global batch, the step at which its epoch is over, and what a whole one takes.
  std::int64_t global_batch = 0;  // 0: not known yet
  Epoch epoch{0};
  Step epoch_end{0};
  std::int64_t steps_per_epoch = 0;
  // Steps that were skipped, and how often it went back.
  std::int64_t skipped_steps = 0;
  std::int64_t rollbacks = 0;
  // Of a run that has ended, from DONE.
  std::optional<Step> done;
  std::string state_hash;
};

// Local. Reads only, and tolerates what a killed job leaves. Throws Fault (66) when `directory` is no run
// directory.
RunStatus read_run_status(Disk& disk, const std::string& directory);

}  // namespace lockstep
