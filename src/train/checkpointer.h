// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "checkpoint/store.h"
#include "lockstep/comm/world.h"
#include "train/reporter.h"
#include "train/run_directory.h"
#include "train/training_state.h"

namespace lockstep {

// Saves the training state of all ranks: rank 0 writes and commits, the others wait for its word.
class Checkpointer {
 public:
  // The referenced parts outlive it. `store` is used on rank 0 only.
  struct Parts {
    World& world;
    TrainingState& state;
    CheckpointStore& store;
    Reporter& reporter;
  };
  Checkpointer(const Parts& parts, CheckpointOptions options);

  // Local. Is a save due at this step for its number alone?
  bool is_due(Step step, Step last_step) const;

  // Collective. Commits the state as `record` describes it, once a step. Throws AgreedFault: 74 when storage
  // failed (with on_error: continue only at the third failure in a row), 70 when the replicas' integer
  // buffers differ.
  void save(const TrainRecord& record, bool is_best);
  // Collective. Throws AgreedFault (74) when the newest commit is older than `step`: a run that ends there
  // has nothing to go on from, whatever on_error says.
  void require(Step step);

  // Local. The step of the newest committed checkpoint, and on rank 0 its state hash.
  Step last_step() const { return last_step_; }
  Digest last_hash() const { return last_hash_; }
  // Local. A checkpoint that was restored counts as the newest.
  void restored(Step step, const Digest& hash);

 private:
  void save_on_root(const TrainRecord& record, bool is_best);

  Parts parts_;
  CheckpointOptions options_;
  Step last_step_{0};
  Digest last_hash_;
  int failures_ = 0;
};

}  // namespace lockstep
