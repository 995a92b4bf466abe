// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "hdf5/metadata_file.h"

namespace lockstep {

// Local. Whether these bytes begin as HDF5 does.
bool is_hdf5(std::span<const std::byte> bytes);

// Local. Where the root group's object header lies, of a file of any superblock version with addresses of
// eight bytes. `user_block` are the bytes in front of it that `file` leaves out. Throws Fault (65) for what
// is no such file, was cut off, or is still open for writing.
std::uint64_t root_group_of(const Hdf5MetadataFile& file, std::uint64_t user_block = 0);

}  // namespace lockstep
