// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "checkpoint/manifest.h"
#include "lockstep/base/disk.h"

namespace lockstep {

// A sharded checkpoint's index: for h5py, h5dump and people, who see whole tensors through it. Lockstep
// itself reads by the manifest alone.
inline constexpr const char* kIndexFile = "index.h5";

// Local. The bytes of index.h5, from what the manifest says of record and tensors. A manifest that was
// written and parsed again gives the same bytes. Throws Fault (74).
std::vector<std::byte> index_file(const Manifest& manifest);

// Local. The manifest of a checkpoint directory in which everything but index.h5 verifies, and whose index
// rebuild_index() can make; reads all of it. Throws Fault (65) when there is more to mend, (74).
Manifest verify_all_but_index(Disk& disk, const std::string& directory);

// Local. Writes index.h5 anew into a checkpoint directory, atomically. Throws Fault (65) when the manifest
// lists none or its digest is not that of the bytes made here; (74).
void rebuild_index(Disk& disk, const std::string& directory);

}  // namespace lockstep
