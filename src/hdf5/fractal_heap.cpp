// SPDX-License-Identifier: Apache-2.0
#include "hdf5/fractal_heap.h"

#include <algorithm>
#include <bit>

#include "hdf5/btree.h"

namespace lockstep {

namespace {

constexpr std::uint64_t kHeaderBytes = 146;
// Signature, version and the address of the header, in front of the block's offset.
constexpr std::uint64_t kBlockHead = 13;
constexpr std::uint64_t kChecksumBytes = 4;
constexpr std::uint64_t kDirectChecksums = 0x02;
constexpr std::uint64_t kMaxLoaded = 64u << 20;
// A huge object whose ID has no room for its address and length is looked up.
constexpr std::uint64_t kDirectHugeId = 16;

std::uint64_t log2_of(std::uint64_t value) {
  return static_cast<std::uint64_t>(std::bit_width(value) - 1);
}

}  // namespace

Hdf5FractalHeap::Hdf5FractalHeap(const Hdf5MetadataFile& file, std::uint64_t address) : file_(file) {
  read_header(address);
  // Powers of two, from which every row and column follows by shifts that stay below 64.
  const bool sound = std::has_single_bit(width_) && std::has_single_bit(first_bytes_) &&
                     std::has_single_bit(direct_bytes_) && first_bytes_ <= direct_bytes_ &&
                     direct_bytes_ <= (1u << 30) && width_ <= 4096 && root_rows_ <= 64 && id_bytes_ >= 2 &&
                     1 + offset_bytes_ + length_bytes_ <= id_bytes_;
  if (!sound) file.refuse("a damaged heap of names");
}

void Hdf5FractalHeap::read_header(std::uint64_t address) {
  const auto header = file_.read_checked(address, kHeaderBytes);
  Hdf5Cursor in(file_, header);
  in.expect("FRHP", "heap of names");
  in.expect_version(0, "heap of names");
  id_bytes_ = in.number(2);
  if (in.number(2) != 0) file_.refuse("a heap of names that is compressed");
  has_checksums_ = (in.number(1) & kDirectChecksums) != 0;
  const std::uint64_t most_managed = in.number(4);
  in.skip(8);
  huge_tree_ = in.number(8);
  // Free space, and counts that nothing here rests on.
  in.skip(10 * 8);
  width_ = in.number(2);
  first_bytes_ = in.number(8);
  direct_bytes_ = in.number(8);
  const std::uint64_t address_bits = in.number(2);
  in.skip(2);
  root_.address = in.number(8);
  root_rows_ = in.number(2);
  if (address_bits > 64 || most_managed == 0 || direct_bytes_ == 0) file_.refuse("a damaged heap of names");
  offset_bytes_ = static_cast<std::size_t>((address_bits + 7) / 8);
  length_bytes_ =
      static_cast<std::size_t>(std::min((log2_of(direct_bytes_) + 7) / 8, log2_of(most_managed) / 8 + 1));
}

std::span<const std::byte> Hdf5FractalHeap::object(std::span<const std::byte> id) {
  Hdf5Cursor in(file_, id);
  const std::uint64_t form = in.number(1);
  // Two bits of version, two of kind.
  switch (form >> 4) {
    case 0: {
      const std::uint64_t offset = in.number(offset_bytes_);
      return managed(offset, in.number(length_bytes_));
    }
    case 1:
      return huge(in);
    default:
      file_.refuse("a kind of heap object that Lockstep does not read");
  }
}

std::span<const std::byte> Hdf5FractalHeap::managed(std::uint64_t offset, std::uint64_t length) {
  Block block = root_;
  std::uint64_t bytes = first_bytes_;
  // Each table has fewer rows than the one above it.
  for (std::uint64_t rows = root_rows_; rows > 0;) {
    const Entry entry = locate(offset - block.base);
    if (entry.row >= rows) file_.refuse("a name lies outside its heap");
    block = child_of(block, rows, entry);
    bytes = entry.bytes;
    if (bytes <= direct_bytes_) break;
    const std::uint64_t smallest = log2_of(first_bytes_) + log2_of(width_);
    if (log2_of(bytes) < smallest) file_.refuse("a damaged heap of names");
    rows = log2_of(bytes) - smallest + 1;
  }
  const auto content = direct_block(block, bytes);
  const std::uint64_t at = offset - block.base;
  const std::uint64_t head = kBlockHead + offset_bytes_ + (has_checksums_ ? kChecksumBytes : 0);
  if (at < head || at > content.size() || length > content.size() - at)
    file_.refuse("a name lies outside its heap");
  return content.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(length));
}

// Rows 0 and 1 have blocks of the first size, each later one blocks twice as large as the row before.
Hdf5FractalHeap::Entry Hdf5FractalHeap::locate(std::uint64_t offset) const {
  const std::uint64_t first_row = first_bytes_ * width_;
  if (offset < first_row) {
    const std::uint64_t column = offset / first_bytes_;
    return {0, column, first_bytes_, column * first_bytes_};
  }
  const std::uint64_t high = log2_of(offset);
  Entry entry;
  entry.row = high - log2_of(first_row) + 1;
  entry.bytes = first_bytes_ << (entry.row - 1);
  const std::uint64_t start = std::uint64_t{1} << high;
  entry.column = (offset - start) / entry.bytes;
  entry.base = start + entry.column * entry.bytes;
  return entry;
}

Hdf5FractalHeap::Block Hdf5FractalHeap::child_of(const Block& table, std::uint64_t rows, const Entry& entry) {
  const std::uint64_t head = kBlockHead + offset_bytes_;
  const bool fresh = !loaded_.contains(table.address);
  const auto bytes = load(table.address, head + rows * width_ * 8 + kChecksumBytes);
  if (fresh) file_.require_checksum(bytes);
  Hdf5Cursor in(file_, bytes);
  in.expect("FHIB", "heap of names");
  in.skip(head - 4 + (entry.row * width_ + entry.column) * 8);
  return {in.number(8), table.base + entry.base};
}

std::span<const std::byte> Hdf5FractalHeap::direct_block(const Block& block, std::uint64_t bytes) {
  const bool fresh = !loaded_.contains(block.address);
  const auto content = load(block.address, bytes);
  Hdf5Cursor in(file_, content);
  in.expect("FHDB", "heap of names");
  in.skip(kBlockHead - 4);
  if (in.number(offset_bytes_) != block.base)
    file_.refuse("a block of a heap of names stands in for another");
  if (!has_checksums_ || !fresh) return content;
  // Its checksum stands in its front and was made over zeros there.
  const std::size_t at = kBlockHead + offset_bytes_;
  std::vector<std::byte> covered(content.begin(), content.end());
  std::fill_n(covered.begin() + static_cast<std::ptrdiff_t>(at), kChecksumBytes, std::byte{0});
  const auto kept = in.take(kChecksumBytes);
  covered.insert(covered.end(), kept.begin(), kept.end());
  file_.require_checksum(covered);
  return content;
}

std::span<const std::byte> Hdf5FractalHeap::huge(Hdf5Cursor id) {
  std::uint64_t address = kNoAddress;
  std::uint64_t bytes = 0;
  if (id_bytes_ - 1 >= kDirectHugeId) {
    address = id.number(8);
    bytes = id.number(8);
  } else {
    const std::uint64_t wanted =
        id.number(static_cast<std::size_t>(std::min<std::uint64_t>(8, id_bytes_ - 1)));
    for_each_record(file_, huge_tree_, Hdf5RecordType::kHugeObject, [&](Hdf5Cursor record) {
      const std::uint64_t at = record.number(8);
      const std::uint64_t length = record.number(8);
      if (record.number(8) != wanted) return;
      address = at;
      bytes = length;
    });
  }
  return load(address, bytes);
}

// Names of one group share few blocks, and are asked for in any order.
std::span<const std::byte> Hdf5FractalHeap::load(std::uint64_t address, std::uint64_t bytes) {
  const auto found = loaded_.find(address);
  if (found != loaded_.end() && found->second.size() == bytes) return found->second;
  if (found != loaded_.end()) file_.refuse("two blocks of a heap of names lie in one place");
  std::vector<std::byte> block = file_.read(address, bytes);
  loaded_bytes_ += block.size();
  if (loaded_bytes_ > kMaxLoaded + (1u << 20)) file_.refuse("a heap of more than 64 MiB of names");
  return loaded_[address] = std::move(block);
}

}  // namespace lockstep
