// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "hdf5/metadata_file.h"

namespace lockstep {

// How the places of chunks are kept: the first in all files before HDF5 1.10, the others where their writer
// was allowed new formats.
enum class Hdf5ChunkIndex : std::uint8_t {
  kOldTree = 0,
  kSingle = 1,
  kImplicit = 2,
  kFixedArray = 3,
  kExtensibleArray = 4,
  kTree = 5,
};

// Where the values of a dataset lie, as its layout message says.
struct Hdf5Storage {
  enum class Kind { kOther, kCompact, kContiguous, kChunked, kVirtual } kind = Kind::kOther;
  std::uint64_t address = kNoAddress;  // of the values, or of the index of chunks
  std::optional<std::uint64_t>
      bytes;                         // of contiguous values, where the file says; of a single filtered chunk
  std::vector<std::byte> values;     // compact
  std::vector<std::uint64_t> chunk;  // elements of a chunk in each dimension
  std::uint64_t element_bytes = 0;   // of chunks
  Hdf5ChunkIndex index = Hdf5ChunkIndex::kOldTree;
  bool plain_edges = false;       // chunks that reach over the edge are stored without filters
  std::uint32_t filter_mask = 0;  // of a single filtered chunk
};

// Local. Throws Fault (65) for bytes that are no layout message; a kind or version that is not known is
// kOther.
Hdf5Storage parse_storage(Hdf5Cursor in);

}  // namespace lockstep
