// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "checkpoint/manifest.h"
#include "checkpoint/state.h"
#include "lockstep/base/disk.h"

namespace lockstep {

// A state ready to be written: its tensors sorted by path, each with its digest, and the hash over them.
struct DigestedState {
  const TrainRecord* record = nullptr;
  std::vector<StateTensor> tensors;
  std::vector<Digest> digests;
  Digest hash;
};

// Local. Makes every tensor's digest. Throws Bug when two tensors have one path.
DigestedState digest_state(const CheckpointState& state);

// What a commit made.
struct Committed {
  std::string directory;  // its name
  Digest manifest;
  std::uint64_t bytes = 0;
};

// Local. Note [commit]: the files are written and synced in .staging-step-…, then the manifest, then the
// staging directory; the rename to step-… makes the checkpoint exist, the sync of `directory` makes it stay.
// At every moment before the rename there is nothing, at every moment after it there is all of it. Throws
// Fault (74), after which the staging directory is removed as far as the disk allows. step-… must not be
// there.
Committed commit_checkpoint(Disk& disk, const std::string& directory, const DigestedState& state);

}  // namespace lockstep
