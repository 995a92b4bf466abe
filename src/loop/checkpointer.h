// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "lockstep/base/clock.h"
#include "lockstep/comm/world.h"
#include "loop/reporter.h"
#include "loop/save_interval.h"
#include "loop/save_times.h"
#include "loop/saved_state.h"
#include "loop/state_freezer.h"
#include "shelf/store.h"

namespace lockstep {

class Replicas;

// Why a save is wanted: what is due by its number alone may be skipped while another is being written.
enum class SaveReason { kInterval, kBest, kAsked };

// Saves the training state of all ranks, beside the training unless checkpoint.async is off. Note [save in
// flight]: each rank's thread writes its shard and never communicates. At the end of every step the training
// threads agree how far all of them are: when every shard is written, rank 0's thread commits; when it has
// committed, the save is over. With the shards come digests of each rank's whole state (Note [replicas]): a
// copy that differs is never committed. Faults of a thread come back at such a meeting. One save is in flight
// at a time.
class Checkpointer {
 public:
  // The referenced parts outlive it. `store` commits on rank 0; the others write shards with theirs.
  struct Parts {
    World& world;
    SavedState& state;
    CheckpointStore& store;
    Reporter& reporter;
    const Clock& clock = real_clock();
    Replicas* replicas = nullptr;  // null: they are not compared
  };
  Checkpointer(const Parts& parts, CheckpointOptions options);
  // Collective, before the first save: makes the memory real that saving beside the training takes. Throws
  // AgreedFault (69) when this machine has not enough for its ranks.
  void prepare();
  // Waits for this rank's thread.
  ~Checkpointer();

  // Local. Is a save due at this step: for its number, or because the clock of rank 0 asked for one before
  // it?
  bool is_due(Step step, Step last_step) const;
  // Local. Does this rank's clock ask for a save? Rank 0's counts.
  bool clock_asks() const { return !flight_ && interval_.due_now(); }
  // Local, the same on every rank: the next step is to be saved.
  void note_clock_asked(bool asked) { clock_asked_ = asked; }
  // Local. How often saves are made, and why: an event, at the beginning and where it changes.
  void announce_interval();

  // Collective. Begins to save the state as `record` describes it; without checkpoint.async it is committed
  // on return. A save that is still in flight is waited for first, or (checkpoint.on_busy: skip) this one is
  // left out. Throws AgreedFault: 74 when storage failed (with on_error: continue only at the third failure
  // in a row), 70 when the replicas differ.
  void save(const TrainRecord& record, SaveReason reason);
  // Collective, once a step: takes the save in flight as far as it is. Throws as save().
  void poll();
  // Collective. Returns when no save is in flight. Throws as save().
  void drain();
  // Local, before the state is changed: returns when the save in flight no longer reads it.
  void release_state();
  // Collective. As drain(), but no longer than until `deadline` on the clock of any rank: false when a save
  // is still in flight then. Without one it waits.
  bool drain_by(std::optional<std::chrono::nanoseconds> deadline);
  // Collective. drain(), then throws AgreedFault (74) when the newest commit is older than `step`: a run that
  // ends there has nothing to go on from, whatever on_error says.
  void require(Step step);
  // Collective, once the newest commit is that of record.step. Adds to it what an evaluation after it found:
  // the metrics, and whether it is the best. Throws AgreedFault (74).
  void add_evaluation(const TrainRecord& record, bool is_best);

  // Local. The step of the newest committed checkpoint, and on rank 0 its state hash.
  Step last_step() const { return last_step_; }
  Digest last_hash() const { return last_hash_; }
  // Local, the same on every rank but for the age. The save that is in flight.
  struct InFlight {
    Step step{0};
    double age_s = 0;
  };
  std::optional<InFlight> in_flight() const;
  // Local. How long saves take, by this rank's measure; what earlier lives measured counts too.
  const SaveTimes& save_times() const { return save_times_; }
  void remember(const SaveTimes& earlier) { save_times_ = earlier; }
  // Local. A checkpoint that was restored counts as the newest.
  void restored(Step step, const Digest& hash);

 private:
  struct Flight;

  void wait_for_the_one_before(Step step);
  void begin(const TrainRecord& record, bool is_best);
  bool begin_staging();
  void start_writing();
  bool compares() const;
  void take_state();
  bool give_up_spoiled();
  bool take_shards(const std::vector<std::string>& of_ranks);
  void start_commit();
  void finish();
  double seconds_since(std::chrono::nanoseconds start) const;
  bool reached(bool mine);
  template <class Work>
  bool survived(Work&& work);

  Parts parts_;
  CheckpointOptions options_;
  StateFreezer freezer_;
  SaveInterval interval_;
  SaveTimes save_times_;
  bool clock_asked_ = false;
  std::string announced_;
  std::unique_ptr<Flight> flight_;
  Step last_step_{0};
  Digest last_hash_;
  int failures_ = 0;
};

}  // namespace lockstep
