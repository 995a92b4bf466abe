// SPDX-License-Identifier: Apache-2.0
#include "hdf5/chunk_store.h"

#include <algorithm>

#include "untrusted/refusal.h"

namespace lockstep {

Hdf5ChunkStore::Hdf5ChunkStore(Parts parts) : parts_(std::move(parts)), table_(parts_.cache->add_table()) {}

const Hdf5Chunk* Hdf5ChunkStore::find(std::uint64_t number) const {
  const auto& chunks = parts_.chunks;
  // All are there, as a rule, and each stands where its number says.
  if (chunks.size() == parts_.grid.count()) return &chunks[static_cast<std::size_t>(number)];
  const auto found = std::ranges::lower_bound(chunks, number, {}, &Hdf5Chunk::number);
  return found == chunks.end() || found->number != number ? nullptr : &*found;
}

Hdf5ChunkStore::View Hdf5ChunkStore::chunk(std::uint64_t number) const {
  const Hdf5Chunk* chunk = find(number);
  if (chunk == nullptr) return {};
  const bool plain =
      parts_.filters.leaves_alone(chunk->mask) || (parts_.plain_edges && parts_.grid.is_edge(number));
  if (plain) {
    if (chunk->bytes != parts_.chunk_bytes)
      refuse_bytes(parts_.origin, "a chunk has another length than it should");
    return {parts_.file.subspan(chunk->address, chunk->bytes), nullptr};
  }
  auto bytes = parts_.cache->get({table_, number, parts_.chunk_bytes}, [&] { return unpack(*chunk); });
  return {std::span(bytes.get(), static_cast<std::size_t>(parts_.chunk_bytes)), bytes};
}

Hdf5ChunkCache::Bytes Hdf5ChunkStore::unpack(const Hdf5Chunk& chunk) const {
  const auto packed = parts_.file.subspan(chunk.address, chunk.bytes);
  // Before anything is allocated for it.
  if (parts_.filters.most_unpacked(chunk.mask, chunk.bytes) < parts_.chunk_bytes)
    refuse_bytes(parts_.origin, "a chunk of " + std::to_string(parts_.chunk_bytes) +
                                    " bytes cannot come of " + std::to_string(chunk.bytes));
  const auto bytes = static_cast<std::size_t>(parts_.chunk_bytes);
  std::shared_ptr<std::byte[]> out(new std::byte[bytes]);
  parts_.filters.undo(packed, chunk.mask, std::span(out.get(), bytes), parts_.origin);
  return out;
}

}  // namespace lockstep
