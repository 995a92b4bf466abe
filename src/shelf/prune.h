// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/state.h"
#include "lockstep/base/disk.h"
#include "shelf/generation.h"
#include "shelf/options.h"

namespace lockstep {

// What pruning a folder of checkpoints would do. Those without a good manifest are in neither list: they are
// for repair to judge.
struct PrunePlan {
  struct Item {
    std::string directory;  // its name
    std::uint64_t bytes = 0;
  };
  std::vector<Item> kept;     // oldest first
  std::vector<Item> removed;  // oldest first
};

// Local. The rules of retention that a checkpoint's config holds; defaults for those it lacks.
CheckpointOptions rules_in(const TrainRecord& record);

// Local. Changes nothing. Tagged checkpoints, those that `best` names (with keep_best), and the newest are
// kept whatever the rules say. Throws Fault (65) when a tag is damaged, so that nobody can say what it keeps;
// (74).
PrunePlan plan_prune(Disk& disk, const std::string& folder, const CheckpointOptions& options);

// Local. Reads the newest kept checkpoint whole before it removes the first, so that at least one verified
// checkpoint stays; `removed` is told of each. Throws Fault (65), with nothing removed, when that one does
// not verify; (74), after which each checkpoint is there in full or not at all.
void carry_out(Disk& disk, const std::string& folder, const PrunePlan& plan,
               const std::function<void(const PrunePlan::Item&)>& removed);

// Local. Renamed first: a life that ends in the middle leaves no checkpoint with half its files.
void remove_checkpoint(Disk& disk, const Generation& generation, const std::string& path);

}  // namespace lockstep
