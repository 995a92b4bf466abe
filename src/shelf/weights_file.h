// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "checkpoint/reader.h"
#include "lockstep/base/disk.h"

namespace lockstep {

// Local. Writes the model part of a checkpoint as a weights-only file, replacing `path` atomically and
// durably. Holds the model in memory meanwhile. Throws Fault (65) for a tensor that does not match its
// digest, (74) for the disk.
void write_weights(Disk& disk, const CheckpointReader& from, const std::string& path);

}  // namespace lockstep
