// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "hdf5/chunk_store.h"
#include "hdf5/table_header.h"

namespace lockstep {

struct Hdf5RowRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

// Local; from any thread. Fills `into` with whole rows of a chunked dataset, from as many chunks as they
// cross. Throws Fault (65) for a damaged chunk.
void copy_rows(const Hdf5ChunkStore& chunks, const Hdf5TableHeader& header, const Hdf5RowRange& rows,
               std::span<std::byte> into);

}  // namespace lockstep
