// SPDX-License-Identifier: Apache-2.0
#include "hdf5/storage.h"

namespace lockstep {

namespace {

using Kind = Hdf5Storage::Kind;

constexpr std::uint64_t kPlainEdgesFlag = 0x01;
constexpr std::uint64_t kSingleFilteredFlag = 0x02;

Kind kind_of(std::uint64_t number) {
  constexpr std::uint64_t kKinds = 4;
  return number < kKinds ? static_cast<Kind>(number + 1) : Kind::kOther;
}

// The last dimension of a chunk is the bytes of an element.
void take_chunk(Hdf5Cursor& in, std::uint64_t dimensions, std::uint64_t number_bytes, Hdf5Storage& storage) {
  if (dimensions == 0 || number_bytes == 0 || number_bytes > 8) {
    storage.kind = Kind::kOther;
    return;
  }
  for (std::uint64_t i = 0; i < dimensions; ++i)
    storage.chunk.push_back(in.number(static_cast<std::size_t>(number_bytes)));
  storage.element_bytes = storage.chunk.back();
  storage.chunk.pop_back();
}

void take_values(Hdf5Cursor& in, std::uint64_t bytes, Hdf5Storage& storage) {
  const auto values = in.take(bytes);
  storage.values.assign(values.begin(), values.end());
}

// Before 1.6.3.
Hdf5Storage old_storage(Hdf5Cursor in) {
  Hdf5Storage storage;
  const std::uint64_t dimensions = in.number(1);
  storage.kind = kind_of(in.number(1));
  in.skip(5);
  if (storage.kind != Kind::kCompact) storage.address = in.number(8);
  if (storage.kind == Kind::kChunked) {
    take_chunk(in, dimensions, 4, storage);
  } else if (storage.kind == Kind::kCompact) {
    in.skip(dimensions * 4);
    take_values(in, in.number(4), storage);
  }
  return storage;
}

// What an index is made with stands in front of its address, and again in its own header.
void take_index(Hdf5Cursor& in, std::uint64_t flags, Hdf5Storage& storage) {
  const std::uint64_t index = in.number(1);
  if (index < 1 || index > 5) {
    storage.kind = Kind::kOther;
    return;
  }
  storage.index = static_cast<Hdf5ChunkIndex>(index);
  if (storage.index == Hdf5ChunkIndex::kSingle && (flags & kSingleFilteredFlag) != 0) {
    storage.bytes = in.number(8);
    storage.filter_mask = static_cast<std::uint32_t>(in.number(4));
  }
  constexpr std::uint64_t kParameterBytes[] = {0, 0, 0, 1, 5, 6};
  in.skip(kParameterBytes[index]);
  storage.address = in.number(8);
}

}  // namespace

Hdf5Storage parse_storage(Hdf5Cursor in) {
  const std::uint64_t version = in.number(1);
  Hdf5Storage storage;
  if (version == 1 || version == 2) return old_storage(in);
  // 5 is 4 with chunks of more than 4 GiB.
  if (version < 3 || version > 5) return storage;
  storage.kind = kind_of(in.number(1));
  if (storage.kind == Kind::kCompact) {
    take_values(in, in.number(2), storage);
  } else if (storage.kind == Kind::kContiguous) {
    storage.address = in.number(8);
    storage.bytes = in.number(8);
  } else if (storage.kind == Kind::kChunked && version == 3) {
    const std::uint64_t dimensions = in.number(1);
    storage.address = in.number(8);
    take_chunk(in, dimensions, 4, storage);
  } else if (storage.kind == Kind::kChunked) {
    const std::uint64_t flags = in.number(1);
    const std::uint64_t dimensions = in.number(1);
    take_chunk(in, dimensions, in.number(1), storage);
    storage.plain_edges = (flags & kPlainEdgesFlag) != 0;
    take_index(in, flags, storage);
  }
  return storage;
}

}  // namespace lockstep
