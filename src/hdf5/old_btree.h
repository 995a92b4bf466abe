// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "hdf5/metadata_file.h"

namespace lockstep {

// What the leaves of a version 1 B-tree hold.
enum class Hdf5OldTreeKind : std::uint8_t { kGroup = 0, kChunks = 1 };

struct Hdf5OldTreePlace {
  std::uint64_t address = kNoAddress;
  Hdf5OldTreeKind kind = Hdf5OldTreeKind::kGroup;
  std::uint64_t key_bytes = 0;
};
// What comes in front of a leaf, and where that lies.
using TakeOldLeaf = std::function<void(Hdf5Cursor key, std::uint64_t address)>;

// Local. Calls `take` with every leaf of a version 1 B-tree, in its order. Throws Fault (65) for a tree that
// is damaged or of another kind.
void for_each_leaf(const Hdf5MetadataFile& file, const Hdf5OldTreePlace& tree, const TakeOldLeaf& take);

}  // namespace lockstep
