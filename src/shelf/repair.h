// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "lockstep/base/disk.h"

namespace lockstep {

enum class RepairMode { kLook, kMend };

// One thing that is wrong in a folder of checkpoints.
struct RepairLine {
  std::string subject;  // a name in the folder
  std::string finding;
  std::string remedy;    // what mending does, or what a person can do
  bool mendable = true;  // false: only a person can
};

// Local. Reads every checkpoint whole, also those set aside as .bad, and tells `say` of each thing that is
// wrong: leftovers of killed saves go; an index.h5 that is all that is bad of a checkpoint is made anew; bad
// checkpoints are set aside; one set aside that verifies after all comes back where its name is free;
// `latest` and `best` name the newest and the best that verify; damaged tags are named. With kLook nothing is
// changed. Nothing but leftovers is ever removed. Returns whether there is, or would be, a checkpoint that
// verifies. Throws Fault (74); run again, it goes on from there.
bool repair_checkpoints(Disk& disk, const std::string& folder, RepairMode mode,
                        const std::function<void(const RepairLine&)>& say);

}  // namespace lockstep
