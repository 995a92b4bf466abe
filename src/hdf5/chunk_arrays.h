// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "hdf5/chunk_index.h"

namespace lockstep {

// Indexes of chunks that are arrays: one entry for each chunk that may come to be, whole blocks of them left
// out where none was written. Both Local; they throw Fault (65) for what is damaged.

// Where no dimension is without a limit.
void list_fixed_array(const Hdf5MetadataFile& file, std::uint64_t address, Hdf5ChunkList& list);
// Where one dimension is.
void list_extensible_array(const Hdf5MetadataFile& file, std::uint64_t address, Hdf5ChunkList& list);

}  // namespace lockstep
