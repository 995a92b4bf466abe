// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lockstep {

enum class PathKind {
  kNothing,      // nothing is there
  kCheckpoint,   // a checkpoint directory, or the manifest.json in one
  kCheckpoints,  // a folder of checkpoints: <run>/ckpt
  kRun,          // a run directory
  kHdf5,         // a weights.h5, a checkpoint.h5, any HDF5 file
  kForeign,      // what torch.save or safetensors wrote, or the index of a sharded one
  kOtherFile,
  kOtherFolder,
};

// What the user named.
struct WhatIs {
  PathKind kind = PathKind::kNothing;
  // With the user's own links resolved: of a checkpoint its directory, of a run the folder of its
  // checkpoints, else what was named.
  std::string place;
  std::string words;  // "a run directory", for messages
};

// Local. Looks at names and first bytes only. Never throws for what it finds.
WhatIs what_is(const std::string& path);

// Local. The checkpoint that `path` names, or the newest of the run or folder it names. Throws Fault: 66 when
// nothing is there or there is no checkpoint in it, 65 saying what the thing is when it is something else.
std::string checkpoint_named(const std::string& path);

}  // namespace lockstep
