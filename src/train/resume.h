// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "lockstep/comm/world.h"
#include "loop/reporter.h"
#include "shelf/store.h"
#include "train/training_state.h"

namespace lockstep {

// Looks at the record of a checkpoint that is about to be resumed from; throws Fault (78) when this config
// may not go on from it.
using AdmitCheckpoint = std::function<void(const TrainRecord&)>;

struct ResumeParts {
  World& world;
  TrainingState& state;
  CheckpointStore& store;  // rank 0's
  Reporter& reporter;
  Disk& disk;
  std::string checkpoints;  // <run>/ckpt
  Attempt attempt{1};
  AdmitCheckpoint admit;
};

// Where a run goes on.
struct ResumedFrom {
  TrainRecord record;  // with what is frozen now
  Digest state_hash;
  bool foreign = false;  // another run's checkpoint: not in this run's directory yet
};

// Collective. Restores all ranks by `options.mode`: auto (newest verified checkpoint, empty result when there
// has never been one), must (Fault 65 without one), never (older checkpoints are left aside, empty result),
// or a checkpoint's path (what is newer in this run is left aside). Names the checkpoint in log and events.
// Throws AgreedFault: 65 no valid checkpoint, 78 it does not fit this config.
std::optional<ResumedFrom> resume(const ResumeParts& parts, const ResumeOptions& options);

}  // namespace lockstep
