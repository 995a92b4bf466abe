// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "checkpoint/hdf5/layout.h"
#include "checkpoint/manifest.h"
#include "checkpoint/state.h"
#include "lockstep/base/disk.h"

namespace lockstep {

// A file as it was written.
struct WrittenFile {
  std::uint64_t bytes = 0;
  Digest digest;
  std::vector<std::uint64_t> offsets;  // of each tensor; 0 for one without elements
};

// Local. Lays the plan out and writes metadata and the tensors' own bytes to a new file, without a copy of
// the payload, making the file's digest on the way; then syncs and closes it. `tensors` are the datasets of
// the plan, in its order. Throws Fault (74); what was written until then stays, as a file nobody may use.
WrittenFile write_hdf5_file(Disk& disk, const std::string& path, const Hdf5Plan& plan,
                            std::span<const StateTensor> tensors);

}  // namespace lockstep
