// SPDX-License-Identifier: Apache-2.0
#include "hdf5/filters.h"

#include <algorithm>

#include "hdf5/unpack.h"
#include "untrusted/refusal.h"

namespace lockstep {

namespace {

// A mask has as many bits.
constexpr std::uint64_t kMostFilters = 32;
// Filters below are HDF5's own; their messages leave the name out.
constexpr std::uint64_t kFirstNamed = 256;
// Of deflate, 258 bytes in two bits; of lzf, 264 in three bytes.
constexpr std::uint64_t kMostGzip = 1032;
constexpr std::uint64_t kMostLzf = 88;

struct Piece {
  std::uint64_t id = 0;
  std::vector<std::uint64_t> values;
};

Piece read_filter(Hdf5Cursor& in, std::uint64_t version) {
  Piece piece;
  piece.id = in.number(2);
  const std::uint64_t name = version == 1 || piece.id >= kFirstNamed ? in.number(2) : 0;
  in.skip(2);
  const std::uint64_t count = in.number(2);
  in.skip(version == 1 ? (name + 7) / 8 * 8 : name);
  for (std::uint64_t i = 0; i < count; ++i) piece.values.push_back(in.number(4));
  if (version == 1 && count % 2 != 0) in.skip(4);
  return piece;
}

}  // namespace

Hdf5Filters::Hdf5Filters(const Hdf5MetadataFile& file, const std::string& where, Hdf5Cursor in,
                         std::uint64_t element_bytes)
    : element_bytes_(static_cast<std::size_t>(element_bytes)) {
  const std::uint64_t version = in.number(1);
  const std::uint64_t count = in.number(1);
  if (version < 1 || version > 2 || count > kMostFilters) file.refuse(where + " has damaged filters");
  if (version == 1) in.skip(6);
  for (std::uint64_t i = 0; i < count; ++i) {
    const Piece piece = read_filter(in, version);
    const auto kind = static_cast<Kind>(piece.id);
    if (kind != Kind::kGzip && kind != Kind::kShuffle && kind != Kind::kFletcher32 && kind != Kind::kLzf)
      file.refuse(
          where + " uses filter " + std::to_string(piece.id) + ", expected gzip, shuffle, fletcher32 or lzf",
          "Where that filter is installed, h5repack -f GZIP=4 FROM TO writes a copy with gzip.");
    if (kind == Kind::kShuffle && (piece.values.empty() || piece.values[0] != element_bytes))
      file.refuse(where + " has damaged filters");
    filters_.push_back(kind);
  }
  if (std::ranges::count_if(filters_, compresses) > 1)
    file.refuse(where + " is compressed twice", "h5repack -f GZIP=4 FROM TO writes a copy with gzip alone.");
}

bool Hdf5Filters::leaves_alone(std::uint32_t mask) const {
  for (std::size_t i = 0; i < filters_.size(); ++i)
    if (is_used(i, mask)) return false;
  return true;
}

std::uint64_t Hdf5Filters::most_unpacked(std::uint32_t mask, std::uint64_t packed) const {
  for (std::size_t i = 0; i < filters_.size(); ++i)
    if (compresses(filters_[i]) && is_used(i, mask))
      return packed * (filters_[i] == Kind::kGzip ? kMostGzip : kMostLzf);
  return packed;
}

void Hdf5Filters::undo(std::span<const std::byte> packed, std::uint32_t mask, std::span<std::byte> into,
                       const std::string& origin) const {
  std::vector<Kind> used;  // in the order in which they are undone
  for (std::size_t i = filters_.size(); i-- > 0;)
    if (is_used(i, mask)) used.push_back(filters_[i]);
  // What a compressor was given has a known length: the chunk's, and four bytes for each checksum.
  std::size_t unpacked = into.size();
  for (auto filter = used.rbegin(); filter != used.rend() && !compresses(*filter); ++filter)
    unpacked += *filter == Kind::kFletcher32 ? kFletcherBytes : 0;
  auto copies = std::ranges::count_if(used, [](Kind filter) { return filter != Kind::kFletcher32; });
  std::unique_ptr<std::byte[]> held;
  std::span<const std::byte> now = packed;
  for (const Kind filter : used) {
    if (filter == Kind::kFletcher32) {
      now = without_fletcher32(now, origin);
      continue;
    }
    const std::size_t bytes = compresses(filter) ? unpacked : now.size();
    const bool is_last = --copies == 0 && bytes == into.size();
    std::unique_ptr<std::byte[]> fresh;
    if (!is_last) fresh = std::make_unique_for_overwrite<std::byte[]>(bytes);
    const std::span<std::byte> out = is_last ? into : std::span(fresh.get(), bytes);
    if (filter == Kind::kGzip)
      unpack_gzip(now, out, origin);
    else if (filter == Kind::kLzf)
      unpack_lzf(now, out, origin);
    else
      unshuffle(now, element_bytes_, out);
    now = out;
    if (!is_last) held = std::move(fresh);
  }
  if (now.data() == into.data()) return;
  if (now.size() != into.size()) refuse_bytes(origin, "a chunk has another length than it should");
  std::ranges::copy(now, into.begin());
}

}  // namespace lockstep
