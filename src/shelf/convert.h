// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "checkpoint/commit.h"
#include "checkpoint/reader.h"

namespace lockstep {

// How a checkpoint is to lie in its files.
struct LayoutChoice {
  std::string layout;  // kConsolidated or kSharded
  int shards = 1;      // of kSharded
};

// Local. Writes the state of `from` as a new checkpoint directory `to`, in another layout or the same, with
// the same record and state hash. Verifies `from` first, and compares every tensor's digest with what was
// written before it commits; its tensors are mapped, only those that were split over files are copied into
// memory. Throws Fault (73) when `to` is there or has the name of another step, (65) when `from` is damaged,
// (74); then `to` does not exist.
Committed convert_checkpoint(Disk& disk, const CheckpointReader& from, const std::string& to,
                             const LayoutChoice& choice);

}  // namespace lockstep
