// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "lockstep/base/disk.h"
#include "shelf/storage_finding.h"

namespace lockstep {

// Local. Tries in `folder`, which is there, what a run does with its disk, and asks for what a run does
// without where it must. A kBad means that no run can use the folder; what rests on it is left out then.
// Whatever is lacking or fails is a finding and no Fault. What it makes lies in a folder of its own, and is
// removed also when something fails.
std::vector<StorageFinding> probe_storage(Disk& disk, const std::string& folder);

}  // namespace lockstep
