// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "hdf5/chunk_cache.h"
#include "hdf5/chunk_index.h"
#include "hdf5/filters.h"

namespace lockstep {

// The chunks of one dataset, by number. Everything about where they lie was checked when it was made; their
// bytes are checked when they are unpacked.
class Hdf5ChunkStore {
 public:
  struct Parts {
    std::span<const std::byte> file;  // outlives the store
    std::string origin;               // for messages: file and dataset
    Hdf5ChunkGrid grid;
    Hdf5Filters filters;
    std::vector<Hdf5Chunk> chunks;  // by number
    std::uint64_t chunk_bytes = 0;
    bool plain_edges = false;
    std::shared_ptr<Hdf5ChunkCache> cache;
  };
  explicit Hdf5ChunkStore(Parts parts);

  // A chunk's bytes, and what keeps them alive; no bytes where it was never written.
  struct View {
    std::span<const std::byte> bytes;
    Hdf5ChunkCache::Bytes owner;
  };
  // Local; from any thread. Throws Fault (65) for a damaged chunk.
  View chunk(std::uint64_t number) const;
  const Hdf5ChunkGrid& grid() const { return parts_.grid; }

 private:
  const Hdf5Chunk* find(std::uint64_t number) const;
  Hdf5ChunkCache::Bytes unpack(const Hdf5Chunk& chunk) const;

  Parts parts_;
  std::uint64_t table_;  // in the cache
};

}  // namespace lockstep
