// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "lockstep/base/disk.h"

namespace lockstep {

enum class StorageGrade { kOk, kWarn, kBad };

// One line of what a file system has or lacks.
struct StorageFinding {
  StorageGrade grade = StorageGrade::kOk;
  std::string what;     // "O_DIRECT"
  std::string found;    // what was seen
  std::string meaning;  // for a run; or how to mend it
};

// Local. Tries in `folder`, which is there, what a run does with its disk, and asks for what a run does
// without where it must. A kBad means that no run can use the folder; what rests on it is left out then.
// Whatever is lacking or fails is a finding and no Fault. What it makes lies in a folder of its own, and is
// removed also when something fails.
std::vector<StorageFinding> probe_storage(Disk& disk, const std::string& folder);

}  // namespace lockstep
