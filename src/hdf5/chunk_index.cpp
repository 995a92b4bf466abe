// SPDX-License-Identifier: Apache-2.0
#include "hdf5/chunk_index.h"

#include <algorithm>
#include <limits>

#include "hdf5/btree.h"
#include "hdf5/chunk_arrays.h"
#include "hdf5/old_btree.h"

namespace lockstep {

namespace {

constexpr std::uint64_t kAddressBytes = 8;
constexpr std::uint64_t kMaskBytes = 4;

// Keys are offsets in elements, one more than there are dimensions.
void list_old_tree(const Hdf5MetadataFile& file, std::uint64_t address, Hdf5ChunkList& list) {
  const std::size_t rank = list.grid().rank();
  std::vector<std::uint64_t> place(rank);
  for_each_leaf(file, {address, Hdf5OldTreeKind::kChunks, 8 + 8 * (rank + 1)},
                [&](Hdf5Cursor key, std::uint64_t at) {
                  Hdf5Chunk chunk;
                  chunk.address = at;
                  chunk.bytes = static_cast<std::uint32_t>(key.number(4));
                  chunk.mask = static_cast<std::uint32_t>(key.number(kMaskBytes));
                  for (std::size_t i = 0; i < rank; ++i) {
                    const std::uint64_t offset = key.number(8);
                    if (offset % list.grid().chunk()[i] != 0) file.refuse("a damaged index of chunks");
                    place[i] = offset / list.grid().chunk()[i];
                  }
                  list.add(place, chunk);
                });
}

void list_tree(const Hdf5MetadataFile& file, std::uint64_t address, Hdf5ChunkList& list) {
  const std::size_t rank = list.grid().rank();
  std::vector<std::uint64_t> place(rank);
  const auto type = list.filtered() ? Hdf5RecordType::kFilteredChunk : Hdf5RecordType::kChunk;
  for_each_record(file, address, type, [&](Hdf5Cursor record) {
    const std::uint64_t places = 8 * rank;
    if (record.remaining() <= places) file.refuse("a damaged index of chunks");
    const auto entry = record.take(record.remaining() - places);
    for (std::uint64_t& at : place) at = record.number(8);
    list.add_entry(place, {file, entry});
  });
}

// Chunk after chunk, all of them, without filters.
void list_implicit(const Hdf5MetadataFile& file, std::uint64_t address, Hdf5ChunkList& list) {
  if (list.filtered()) file.refuse("a damaged index of chunks");
  // Numbers of chunks that may come to be are passed over: their room is there.
  const std::uint64_t room = (file.size() - std::min(address, file.size())) / list.chunk_bytes();
  std::uint64_t found = 0;
  for (std::uint64_t i = 0; i < room && found < list.grid().count(); ++i) {
    const std::vector<std::uint64_t> place = list.grid().place_in_array(i);
    if (!list.grid().number_at(place)) continue;
    list.add(place, {0, address + i * list.chunk_bytes(), 0, 0});
    ++found;
  }
}

void list_single(const Hdf5Storage& storage, Hdf5ChunkList& list) {
  const std::uint64_t bytes = std::min<std::uint64_t>(storage.bytes.value_or(list.chunk_bytes()),
                                                      std::numeric_limits<std::uint32_t>::max());
  const std::vector<std::uint64_t> place(list.grid().rank(), 0);
  list.add(place, {0, storage.address, static_cast<std::uint32_t>(bytes), storage.filter_mask});
}

}  // namespace

Hdf5ChunkList::Hdf5ChunkList(const Hdf5MetadataFile& file, const Hdf5ChunkGrid& grid,
                             std::uint64_t chunk_bytes, bool filtered)
    : file_(file), grid_(grid), chunk_bytes_(chunk_bytes), filtered_(filtered) {}

void Hdf5ChunkList::add(std::span<const std::uint64_t> place, Hdf5Chunk chunk) {
  const auto number = grid_.number_at(place);
  if (!number) file_.refuse("an index of chunks names one outside its dataset");
  chunk.number = *number;
  if (!filtered_) chunk.bytes = static_cast<std::uint32_t>(chunk_bytes_);
  if (chunk.bytes == 0 || chunk.address > file_.size() || chunk.bytes > file_.size() - chunk.address)
    file_.refuse("a chunk lies outside the file: cut off or damaged");
  if (chunks_.size() == grid_.count()) file_.refuse("an index of chunks names one twice");
  chunks_.push_back(chunk);
}

void Hdf5ChunkList::add_entry(std::span<const std::uint64_t> place, Hdf5Cursor entry) {
  Hdf5Chunk chunk;
  chunk.address = entry.number(kAddressBytes);
  if (chunk.address == kNoAddress) return;
  if (filtered_) {
    if (entry.remaining() <= kMaskBytes || entry.remaining() > 8 + kMaskBytes)
      file_.refuse("a damaged index of chunks");
    const std::uint64_t bytes = entry.number(entry.remaining() - kMaskBytes);
    if (bytes > std::numeric_limits<std::uint32_t>::max()) file_.refuse("a chunk of more than 4 GiB");
    chunk.bytes = static_cast<std::uint32_t>(bytes);
    chunk.mask = static_cast<std::uint32_t>(entry.number(kMaskBytes));
  }
  add(place, chunk);
}

std::vector<Hdf5Chunk> Hdf5ChunkList::take() {
  if (!std::ranges::is_sorted(chunks_, {}, &Hdf5Chunk::number))
    std::ranges::sort(chunks_, {}, &Hdf5Chunk::number);
  if (std::ranges::adjacent_find(chunks_, {}, &Hdf5Chunk::number) != chunks_.end())
    file_.refuse("an index of chunks names one twice");
  return std::move(chunks_);
}

std::vector<Hdf5Chunk> list_chunks(const Hdf5MetadataFile& file, const Hdf5Storage& storage,
                                   Hdf5ChunkList list) {
  // Nothing was written yet.
  if (storage.address == kNoAddress) return {};
  switch (storage.index) {
    case Hdf5ChunkIndex::kOldTree:
      list_old_tree(file, storage.address, list);
      break;
    case Hdf5ChunkIndex::kSingle:
      list_single(storage, list);
      break;
    case Hdf5ChunkIndex::kImplicit:
      list_implicit(file, storage.address, list);
      break;
    case Hdf5ChunkIndex::kFixedArray:
      list_fixed_array(file, storage.address, list);
      break;
    case Hdf5ChunkIndex::kExtensibleArray:
      list_extensible_array(file, storage.address, list);
      break;
    case Hdf5ChunkIndex::kTree:
      list_tree(file, storage.address, list);
      break;
  }
  return list.take();
}

}  // namespace lockstep
