// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/shard.h"
#include "checkpoint/state.h"
#include "checkpoint/written_file.h"
#include "lockstep/base/disk.h"
#include "lockstep/base/error.h"
#include "shelf/options.h"

namespace lockstep {

// What became of a save.
struct SaveReport {
  std::string directory;  // name below ckpt/: step-00001200
  Digest state_hash;
  std::uint64_t bytes = 0;
  double seconds = 0;
  bool written = true;  // false: that step with that state hash was there already
  std::vector<std::string> pruned;
};

// Tells the run what happened to a checkpoint ("checkpoint_refused", "checkpoint_left", "checkpoint_pruned",
// …): fields are key, value pairs for events.jsonl. The sink also logs.
using CheckpointEvent =
    std::function<void(const std::string& event, const std::map<std::string, std::string>& fields)>;

// An open, verified checkpoint.
class CheckpointReader;

// The checkpoints of one run directory: <run>/ckpt. Used by rank 0 for writing; every rank reads. All
// functions are Local; the trainer wraps them in on_root() and together().
class CheckpointStore {
 public:
  CheckpointStore(std::string directory, CheckpointOptions options, Disk& disk, CheckpointEvent event);
  ~CheckpointStore();

  // Removes staging leftovers of a killed save, makes the directory. Throws Fault (73) when it cannot be
  // used, or when fewer than `bytes_needed` are free.
  void prepare(std::uint64_t bytes_needed);

  // Once prepared, and before the first save of a run that others may take over. Note [fence]: on rank 0,
  // begins a generation and returns its name, which the others enter. It ends with the store. Without one a
  // folder has one writer. Throws Fault (73); every function that writes then throws Fault (77) when another
  // life has taken over.
  std::string begin_generation(Attempt attempt);
  void enter_generation(const std::string& name);

  // Writes and commits one consolidated checkpoint: begin_save() to commit_save() at once. After a Fault (74)
  // the previous checkpoints are as they were.
  SaveReport save(const CheckpointState& state, bool is_best);

  // The first half of a save, on rank 0: makes the staging directory. Returns the digest of the manifest that
  // is there already when this step was committed before with the same state: then nothing need be written.
  // Throws Fault (73) when it was committed with another state, which is never overwritten; (74).
  std::optional<Digest> begin_save(const PlannedState& state);
  // Local. Is there a checkpoint of that step, sound or not, that begin_save() would compare with the state?
  bool is_there(Step step) const;
  // On any rank, once rank 0 has begun: writes one shard of the plan. From any thread. `leaves`: the digests
  // of the leaves of its pieces, when they are known; else they are made on the way. Throws Fault (74).
  WrittenFile write_shard(const PlannedState& state, std::size_t shard,
                          std::span<const std::vector<Digest>> leaves = {});
  // On rank 0, from any thread: commits what all ranks have written, moves `latest` (and `best` when
  // `is_best`), then prunes by the retention rules. Throws Fault (74), after which the previous checkpoints
  // are as they were.
  SaveReport commit_save(const PlannedState& state, std::span<const WrittenFile> shards, bool is_best);
  // On rank 0, after a Fault of any rank's shard: removes what was staged.
  void abandon_save(Step step) noexcept;
  // On rank 0, in place of commit_save() for what begin_save() found.
  SaveReport repeat_save(const PlannedState& state, const Digest& manifest, bool is_best);

  // On rank 0, after commit_save() of record.step: adds what an evaluation found later, the metrics and the
  // best so far, to its manifest, which is replaced as a whole; then pointers and retention as after a save.
  // Done already: the manifest is left alone. Throws Fault (74), after which the checkpoint is as it was.
  SaveReport add_evaluation(const TrainRecord& record, bool is_best);
  // On rank 0, before going on from a checkpoint of this run with this record: its best so far, and `best`
  // points at it. Where checkpoint.keep_best is not the rule it was, the best by the rule of now among the
  // checkpoints there are.
  std::map<std::string, double> settle_best(const TrainRecord& record);

  // The newest checkpoint, by step; of its files only manifest, names and lengths are looked at: whoever
  // restores from it compares the digests while reading, and then says accept() or, before it asks again,
  // refuse(). Those seen to be bad are moved aside as .bad with an event. Empty when there has never been
  // one; Fault (65) when there were some and none is valid.
  std::unique_ptr<CheckpointReader> open_newest();
  // Every byte of it was compared.
  void accept(const CheckpointReader& restored);
  // It is damaged, or cannot be read: moved aside as .bad, with an event.
  void refuse(const CheckpointReader& damaged, const Fault& why);

  // Before going on from an older checkpoint of this run: renames every newer one to step-….left-<attempt>.
  void leave_newer_than(Step step, Attempt attempt);

  // <run>/weights.h5 from the best checkpoint if keep_best is set, else from the newest: the model group
  // alone.
  void write_weights_file(const std::string& path);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
