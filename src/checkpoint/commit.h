// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "checkpoint/file_writer.h"
#include "checkpoint/manifest.h"
#include "checkpoint/shard.h"
#include "checkpoint/written_file.h"
#include "lockstep/base/disk.h"

namespace lockstep {

// What a commit made.
struct Committed {
  std::string directory;  // its name
  Digest manifest;
  Digest state_hash;
  std::uint64_t bytes = 0;
};

// Local. What was written, as a manifest: the digest of a split tensor comes from the leaves of all shards.
// `shards` are those of the plan, in its order.
Manifest assemble_manifest(const PlannedState& state, std::span<const WrittenFile> shards);

// A checkpoint's place: `name` is step_directory() in a run.
struct CommitPlace {
  std::string directory;
  std::string name;
  std::string staging;  // where it is made, on the same file system
};

// One checkpoint in the making. Note [commit]: the shards are written and synced in the staging directory,
// then the manifest, then that directory; the rename to <name> makes the checkpoint exist, the sync of
// `directory` makes it stay. At every moment before the rename there is nothing, at every moment after it
// there is all of it. Every function throws Fault (74).
class StagedCheckpoint {
 public:
  // Touches nothing.
  StagedCheckpoint(Disk& disk, CommitPlace place, const FileWriting& writing);

  // Local, on rank 0, before any other: makes the staging directory.
  void begin();
  // Local, on the rank that has this shard of the plan; shards may be written at the same time. `leaves` as
  // in FileContents.
  WrittenFile write(const PlannedState& state, std::size_t shard,
                    std::span<const std::vector<Digest>> leaves = {});
  // Local, on rank 0, once all shards are written. <name> must not be there.
  Committed commit(const PlannedState& state, std::span<const WrittenFile> shards);
  // Local, on rank 0, after a Fault: a full disk needs its room back at once. What cannot be removed now is
  // removed at the next start.
  void abandon() noexcept;

 private:
  void write_synced(const std::string& path, std::span<const std::byte> bytes);

  Disk& disk_;
  CommitPlace place_;
  FileWriting writing_;
};

}  // namespace lockstep
