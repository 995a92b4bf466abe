// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "hdf5/metadata_file.h"

namespace lockstep {

// The kinds of records a version 2 B-tree is read for.
enum class Hdf5RecordType : std::uint8_t {
  kHugeObject = 1,
  kLinkName = 5,
  kAttributeName = 8,
  kChunk = 10,
  kFilteredChunk = 11,
};

// Local. Calls `take` with every record of the version 2 B-tree at `address`, in its order. Throws Fault (65)
// for a tree that is damaged or of another kind.
void for_each_record(const Hdf5MetadataFile& file, std::uint64_t address, Hdf5RecordType type,
                     const std::function<void(Hdf5Cursor)>& take);

}  // namespace lockstep
