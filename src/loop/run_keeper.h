// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "comm/options.h"
#include "lockstep/base/clock.h"
#include "lockstep/base/disk.h"
#include "lockstep/comm/world.h"
#include "loop/best_so_far.h"
#include "loop/checkpointer.h"
#include "loop/environment.h"
#include "loop/replicas.h"
#include "loop/reporter.h"
#include "loop/resume.h"
#include "loop/saved_state.h"
#include "loop/stop_policy.h"
#include "run/run_directory.h"
#include "shelf/store.h"

namespace lockstep {

struct KeeperOptions {
  CheckpointOptions checkpoint;
  std::int64_t replica_hash_every = 0;
  ComputeDevice compute;
  DistOptions dist;
};

// What keeps a run, for the trainer and for a loop of one's own alike: its checkpoints, saves beside the
// training, ranks that must be alike, the best so far, stops, and how it ends. Its owner makes the steps.
class RunKeeper {
 public:
  // The referenced parts outlive it.
  struct Parts {
    World& world;
    Disk& disk;
    const Clock& clock;
    Reporter& reporter;
    SavedState& state;
    RunDirectory* run_directory = nullptr;  // rank 0's; null on the others
    std::string directory;                  // <run>, on every rank
    std::string run_id;
    Attempt attempt{1};
    StopTimes stop_times;
  };
  // What a checkpoint says of a step, made when there is one to make.
  using Describe = std::function<TrainRecord()>;

  // Collective. Throws AgreedFault: 69, 73 when there is no room for a checkpoint and `beside` bytes.
  RunKeeper(const Parts& parts, const KeeperOptions& options, std::uint64_t beside = 0);

  CheckpointStore& store() { return store_; }
  Checkpointer& saves() { return saves_; }
  const Checkpointer& saves() const { return saves_; }
  Replicas& replicas() { return replicas_; }
  StopPolicy& stops() { return stops_; }

  // Collective, first of all. Throws AgreedFault (78) for ranks whose bits cannot be equal.
  void compare_ranks();
  // Collective. lockstep::resume() on what this run keeps.
  std::optional<ResumedFrom> resume(ResumeTarget& target, const ResumeOptions& options);
  // Collective. What was restored is where the run is. Another run's checkpoint is committed here at once, as
  // `own`, so that a restart before the next save does not begin anew.
  void go_on_from(const ResumedFrom& from, const Describe& own);

  // Local. The members of a record that are alike in every loop.
  TrainRecord record_of(const StepRecord& step) const;
  // Local. A step without the metric that decides is not.
  bool is_best(const StepRecord& step);
  // Collective, once a step: takes the save in flight as far as it is, and begins the one that is due.
  void save_if_due(const StepRecord& step, Step last, const Describe& describe);
  // Collective, once a step, after the save. Idle memory of tensors beyond its bound goes back to the system.
  Wish ask();
  // Collective. The one save of a run that stops. Returns the step the next life goes on from. Throws as
  // save_at_stop().
  Step save_and_stop(const TrainRecord& record);
  // Collective, once the last step is committed: weights.h5 and DONE.
  void finish(Step step, Epoch epoch);

 private:
  Parts parts_;
  KeeperOptions options_;
  Environment environment_;
  CheckpointStore store_;
  Replicas replicas_;
  Checkpointer saves_;
  StopPolicy stops_;
  BestSoFar best_;
};

}  // namespace lockstep
