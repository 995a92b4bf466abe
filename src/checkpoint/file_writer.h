// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "checkpoint/hdf5/layout.h"
#include "checkpoint/written_file.h"
#include "lockstep/base/disk.h"

namespace lockstep {

// Local. Lays the plan out and writes metadata and payload to a new file, without a copy of the payload,
// making the digests on the way; then syncs and closes it. `payload` are the bytes of the plan's datasets, in
// its order. Throws Fault (74); what was written until then stays, as a file nobody may use.
WrittenFile write_hdf5_file(Disk& disk, const std::string& path, const Hdf5Plan& plan,
                            std::span<const std::span<const std::byte>> payload);

}  // namespace lockstep
