// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hdf5/chunk_grid.h"
#include "hdf5/storage.h"

namespace lockstep {

// A chunk that is in the file.
struct Hdf5Chunk {
  std::uint64_t number = 0;  // in its grid
  std::uint64_t address = 0;
  std::uint32_t bytes = 0;
  std::uint32_t mask = 0;  // of filters left out
};

// Chunks as an index names them.
class Hdf5ChunkList {
 public:
  // `chunk_bytes` is what one has without filters; `limit`: as many chunks may be there.
  Hdf5ChunkList(const Hdf5MetadataFile& file, const Hdf5ChunkGrid& grid, std::uint64_t chunk_bytes,
                bool filtered);

  const Hdf5ChunkGrid& grid() const { return grid_; }
  // Whether an index says the bytes and the mask of each chunk.
  bool filtered() const { return filtered_; }
  std::uint64_t chunk_bytes() const { return chunk_bytes_; }
  // Throws Fault (65) for one outside the array or the file.
  void add(std::span<const std::uint64_t> place, Hdf5Chunk chunk);
  // Reads address, bytes and mask as arrays and trees of filtered chunks keep them; of others the address.
  void add_entry(std::span<const std::uint64_t> place, Hdf5Cursor entry);
  // By number. Throws Fault (65) when one is there twice.
  std::vector<Hdf5Chunk> take();

 private:
  const Hdf5MetadataFile& file_;
  const Hdf5ChunkGrid& grid_;
  std::uint64_t chunk_bytes_;
  bool filtered_;
  std::vector<Hdf5Chunk> chunks_;
};

// Local. The chunks of a dataset that were written, whatever its index. Throws Fault (65) for an index that
// is damaged, or names what is not in the file.
std::vector<Hdf5Chunk> list_chunks(const Hdf5MetadataFile& file, const Hdf5Storage& storage,
                                   Hdf5ChunkList list);

}  // namespace lockstep
