// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "hdf5/metadata_file.h"

namespace lockstep {

// Local. Where the root group's object header lies, of a file of any superblock version with addresses of
// eight bytes and without a user block. Throws Fault (65) for what is no such file, was cut off, or is still
// open for writing.
std::uint64_t root_group_of(const Hdf5MetadataFile& file);

}  // namespace lockstep
