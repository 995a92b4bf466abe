// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "lockstep/base/disk.h"

namespace lockstep {

// Folder, data and manifest of three checkpoints and of a fourth before the oldest goes, then the pointers
// and what a run leaves at its end.
inline constexpr int kInodesOfARun = 4 * 3 + 4;

// Local. Makes the folder and the missing ones above it, each durable in the one above: a new folder is no
// more durable than its name there. Throws Fault (74).
void make_durable_folder(Disk& disk, const std::string& path);

// Local, before training starts. Makes the folder of checkpoints, removes what a killed save has left in it,
// and tries whether files can be written there. Throws Fault (73) when they cannot, when one of
// `bytes_needed` may not be that large, or when fewer bytes are free.
void require_usable_folder(Disk& disk, const std::string& folder, std::uint64_t bytes_needed);

}  // namespace lockstep
