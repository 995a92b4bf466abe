// SPDX-License-Identifier: Apache-2.0
#include "hdf5/table.h"

#include <algorithm>
#include <limits>

#include "hdf5/copied_rows.h"
#include "hdf5/superblock.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "untrusted/refusal.h"
#include "untrusted/span_file.h"

namespace lockstep {

namespace {

// A row or chunk above this is a damaged number, or a bomb.
constexpr std::uint64_t kLargestPiece = 256u << 20;
constexpr std::uint64_t kMostChunks = 1u << 24;
// What a file can unpack to, for each byte of it; a dataset that claims more has chunks that are not there.
constexpr std::uint64_t kMostTimes = 1100;

// Products of numbers from the file: false when they pass 2^62.
bool multiply(std::uint64_t& product, std::uint64_t factor) {
  return !__builtin_mul_overflow(product, factor, &product) && product < (std::uint64_t{1} << 62);
}

}  // namespace

Hdf5Bytes without_user_block(const Hdf5Bytes& file) {
  // Where a signature may stand: 0, 512 and its doubles.
  constexpr std::size_t kFirst = 512;
  for (std::size_t at = 0; at < file.bytes.size(); at = at == 0 ? kFirst : 2 * at)
    if (is_hdf5(file.bytes.subspan(at))) return {file.bytes.subspan(at), file.path, at, file.cache};
  refuse_bytes(file.path, "is not an HDF5 file", "Look at the file with h5ls -r.");
}

Hdf5Table::Hdf5Table(const Hdf5Bytes& file, const std::string& name)
    : path_(file.path), where_("dataset " + printable(name)) {
  const SpanFile source(file.bytes);
  const Hdf5MetadataFile metadata(source, path_);
  header_ = read_table_header(metadata, {name, where_, file.user_block});
  check_shape();
  if (header_.storage.kind == Hdf5Storage::Kind::kChunked)
    find_chunks(metadata, file);
  else
    find_values(file);
}

void Hdf5Table::check_shape() {
  const Shape& shape = header_.extent.shape;
  row_shape_.assign(shape.begin() + 1, shape.end());
  std::uint64_t widest = sizeof(double);  // as the widest dtype it may be read as
  bool fits = shape[0] < std::int64_t{1} << 62;
  for (const std::int64_t dimension : row_shape_)
    fits = multiply(widest, static_cast<std::uint64_t>(dimension)) && fits;
  if (!fits || widest > kLargestPiece)
    refuse("claims rows of more than " + std::to_string(kLargestPiece) + " bytes");
  row_bytes_ = widest / sizeof(double) * header_.type.bytes;
}

void Hdf5Table::find_values(const Hdf5Bytes& file) {
  const Hdf5Storage& storage = header_.storage;
  const std::uint64_t size = file.bytes.size();
  const bool is_compact = storage.kind == Hdf5Storage::Kind::kCompact;
  std::uint64_t bytes = row_bytes_;
  const bool fits = multiply(bytes, static_cast<std::uint64_t>(rows())) && bytes <= size;
  // What was never written is not stored, and would read as zeros.
  const std::uint64_t stored = is_compact                      ? storage.values.size()
                               : storage.address == kNoAddress ? 0
                                                               : storage.bytes.value_or(bytes);
  if (!fits || stored != bytes)
    refuse("claims " + std::to_string(rows()) + " rows, its file has " + std::to_string(size) +
           " bytes and " + std::to_string(stored) + " of them hold values");
  if (is_compact) {
    values_ = storage.values;
    return;
  }
  if (storage.address > size - bytes) refuse("lies outside its file of " + std::to_string(size) + " bytes");
  values_ = file.bytes.subspan(static_cast<std::size_t>(storage.address), static_cast<std::size_t>(bytes));
}

void Hdf5Table::find_chunks(const Hdf5MetadataFile& metadata, const Hdf5Bytes& file) {
  const Hdf5Storage& storage = header_.storage;
  if (storage.chunk.size() != header_.extent.shape.size() || storage.element_bytes != header_.type.bytes ||
      std::ranges::find(storage.chunk, 0) != storage.chunk.end())
    refuse("has damaged chunks");
  std::uint64_t chunk_bytes = storage.element_bytes;
  bool fits = true;
  for (const std::uint64_t edge : storage.chunk) fits = multiply(chunk_bytes, edge) && fits;
  if (!fits || chunk_bytes > kLargestPiece)
    refuse("claims chunks of more than " + std::to_string(kLargestPiece) + " bytes");
  const auto grid = Hdf5ChunkGrid::of(header_.extent, storage.chunk);
  std::uint64_t claimed = row_bytes_;
  fits = grid && multiply(claimed, static_cast<std::uint64_t>(rows())) &&
         claimed / kMostTimes <= file.bytes.size();
  std::vector<Hdf5Chunk> chunks;
  if (fits && grid->count() > kMostChunks)
    refuse("has " + std::to_string(grid->count()) + " chunks, more than " + std::to_string(kMostChunks));
  if (fits) chunks = list_chunks(metadata, storage, {metadata, *grid, chunk_bytes, !header_.filters.empty()});
  // A few chunks that were never written are meant to be so; all of them are a mistake.
  if (chunks.empty())
    refuse("claims " + std::to_string(rows()) + " rows in " +
           (grid ? std::to_string(grid->count()) : "2^62 or more") + " chunks, 0 are in its file of " +
           std::to_string(file.bytes.size()) + " bytes");
  if (chunks.size() < grid->count())
    log_warning("{}: {}: {} of {} chunks were never written, their values are the dataset's fill value",
                path_, where_, grid->count() - chunks.size(), grid->count());
  chunks_.emplace(Hdf5ChunkStore::Parts{file.bytes, path_ + ": " + where_, *grid, header_.filters,
                                        std::move(chunks), chunk_bytes, storage.plain_edges, file.cache});
}

void Hdf5Table::read_rows(std::int64_t row, std::span<std::byte> into) const {
  const auto count = into.size() / row_bytes_;
  check(row >= 0 && into.size() % row_bytes_ == 0 && count <= static_cast<std::uint64_t>(rows() - row),
        "rows are read whole");
  if (!chunks_) {
    std::ranges::copy(values_.subspan(static_cast<std::size_t>(row) * row_bytes_, into.size()), into.begin());
    return;
  }
  copy_rows(*chunks_, header_, {static_cast<std::uint64_t>(row), count}, into);
}

void Hdf5Table::refuse(const std::string& found) const {
  refuse_bytes(path_, where_ + " " + found, kTableRemedy);
}

}  // namespace lockstep
