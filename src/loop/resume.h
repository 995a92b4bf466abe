// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lockstep/comm/world.h"
#include "loop/reporter.h"
#include "shelf/store.h"

namespace lockstep {

// What a resume fills, on each rank. Local.
class ResumeTarget {
 public:
  virtual ~ResumeTarget() = default;
  // Where the tensors of this checkpoint go, all of them. Throws Fault (78) when the run may not go on from
  // it.
  virtual std::vector<MutableStateTensor> places(const CheckpointReader& checkpoint) = 0;
  // What was read there is the state from now on. `record` becomes what it would be, saved now.
  virtual void take_over(TrainRecord& record) = 0;
};

struct ResumeParts {
  World& world;
  ResumeTarget& target;
  CheckpointStore& store;  // rank 0's
  Reporter& reporter;
  Disk& disk;
  std::string checkpoints;  // <run>/ckpt
  Attempt attempt{1};
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
