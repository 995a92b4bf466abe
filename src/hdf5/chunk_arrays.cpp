// SPDX-License-Identifier: Apache-2.0
#include "hdf5/chunk_arrays.h"

#include <algorithm>
#include <bit>

namespace lockstep {

namespace {

constexpr std::uint64_t kFixedHeader = 28;
constexpr std::uint64_t kExtensibleHeader = 72;
// Signature, version, client and the address of the header.
constexpr std::uint64_t kBlockHead = 14;
constexpr std::uint64_t kAddressBytes = 8;
constexpr std::uint64_t kChecksumBytes = 4;
// A damaged number above these is refused before anything is computed from it.
constexpr std::uint64_t kMostEntryBits = 48;
constexpr std::uint64_t kMostPageBits = 24;

// Which pages of a block were ever written, first bit highest.
class WrittenPages {
 public:
  explicit WrittenPages(std::span<const std::byte> bits) : bits_(bits) {}
  bool has(std::uint64_t page) const {
    return (std::to_integer<unsigned>(bits_[page / 8]) & (0x80u >> (page % 8))) != 0;
  }

 private:
  std::span<const std::byte> bits_;
};

// Entries that lie in pages.
struct PagedBlock {
  std::uint64_t address = 0;     // of the first page
  std::uint64_t first_page = 0;  // its number among those that share bits
  std::uint64_t page = 0;        // entries of a page
  std::uint64_t first = 0;       // number of the first entry
  std::uint64_t count = 0;       // entries
};

// What both kinds of array share: entries, in blocks that may be cut into pages.
class EntryReader {
 public:
  EntryReader(const Hdf5MetadataFile& file, Hdf5ChunkList& list) : file_(file), list_(list) {}

  // From the header's client and entry size.
  void begin(Hdf5Cursor& in) {
    client_ = in.number(1);
    entry_bytes_ = in.number(1);
    if (client_ != (list_.filtered() ? 1 : 0)) file_.refuse("a damaged index of chunks");
    const bool sound = list_.filtered()
                           ? entry_bytes_ > kAddressBytes + 4 && entry_bytes_ <= kAddressBytes + 12
                           : entry_bytes_ == kAddressBytes;
    if (!sound) file_.refuse("a damaged index of chunks");
  }
  std::uint64_t entry_bytes() const { return entry_bytes_; }

  void expect_block(Hdf5Cursor& in, std::string_view signature) const {
    in.expect(signature, "index of chunks");
    in.expect_version(0, "index of chunks");
    if (in.number(1) != client_) file_.refuse("a damaged index of chunks");
    in.skip(kAddressBytes);
  }

  void take_entries(Hdf5Cursor& in, std::uint64_t first, std::uint64_t count) const {
    for (std::uint64_t i = 0; i < count; ++i) {
      const Hdf5Cursor entry(file_, in.take(entry_bytes_));
      if (Hdf5Cursor(entry).number(kAddressBytes) != kNoAddress)
        list_.add_entry(list_.grid().place_in_array(first + i), entry);
    }
  }

  // Those of a block's pages that were written.
  void take_pages(PagedBlock block, const WrittenPages& written) const {
    for (std::uint64_t done = 0; done < block.count; done += block.page) {
      const std::uint64_t here = std::min(block.page, block.count - done);
      if (written.has(block.first_page + done / block.page)) {
        const auto bytes = file_.read_checked(block.address, here * entry_bytes_ + kChecksumBytes);
        Hdf5Cursor in(file_, bytes);
        take_entries(in, block.first + done, here);
      }
      block.address += here * entry_bytes_ + kChecksumBytes;
    }
  }

 private:
  const Hdf5MetadataFile& file_;
  Hdf5ChunkList& list_;
  std::uint64_t client_ = 0;
  std::uint64_t entry_bytes_ = 0;
};

std::uint64_t bytes_of_bits(std::uint64_t bits) {
  return (bits + 7) / 8;
}

// Note [extensible array]: its first entries stand in the index block, the others in data blocks that grow:
// "super block" s holds 2^(s/2) data blocks of 2^((s+1)/2) times the smallest. The addresses of the data
// blocks of the first super blocks stand in the index block; later super blocks are blocks of their own.
class ExtensibleArray {
 public:
  ExtensibleArray(const Hdf5MetadataFile& file, std::uint64_t address, Hdf5ChunkList& list)
      : file_(file), entries_(file, list) {
    const auto header = file.read_checked(address, kExtensibleHeader);
    Hdf5Cursor in(file, header);
    in.expect("EAHD", "index of chunks");
    in.expect_version(0, "index of chunks");
    entries_.begin(in);
    entry_bits_ = in.number(1);
    in_index_ = in.number(1);
    smallest_ = in.number(1);
    pointers_ = in.number(1);
    const std::uint64_t page_bits = in.number(1);
    if (entry_bits_ > kMostEntryBits || page_bits > kMostPageBits || !std::has_single_bit(smallest_) ||
        !std::has_single_bit(pointers_) || entry_bits_ < bits_of(smallest_))
      file.refuse("a damaged index of chunks");
    page_ = std::uint64_t{1} << page_bits;
    in.skip(6 * 8);
    index_block_ = in.number(8);
  }

  void list() {
    if (index_block_ == kNoAddress) return;
    const std::uint64_t supers = 1 + entry_bits_ - bits_of(smallest_);
    const std::uint64_t supers_in_index = std::min(supers, 2 * bits_of(pointers_));
    std::uint64_t data_blocks = 0;
    for (std::uint64_t s = 0; s < supers_in_index; ++s) data_blocks += blocks_of(s);
    const auto bytes = file_.read_checked(
        index_block_, kBlockHead + in_index_ * entries_.entry_bytes() +
                          (data_blocks + supers - supers_in_index) * kAddressBytes + kChecksumBytes);
    Hdf5Cursor in(file_, bytes);
    entries_.expect_block(in, "EAIB");
    entries_.take_entries(in, 0, in_index_);
    first_ = in_index_;
    for (std::uint64_t s = 0; s < supers_in_index; ++s)
      for (std::uint64_t i = 0; i < blocks_of(s); ++i)
        take_data_block(in.number(8), entries_of(s), nullptr, 0);
    for (std::uint64_t s = supers_in_index; s < supers; ++s) take_super_block(in.number(8), s);
  }

 private:
  static std::uint64_t bits_of(std::uint64_t power) {
    return static_cast<std::uint64_t>(std::bit_width(power) - 1);
  }
  static std::uint64_t blocks_of(std::uint64_t super) { return std::uint64_t{1} << (super / 2); }
  // Of one data block.
  std::uint64_t entries_of(std::uint64_t super) const { return smallest_ << ((super + 1) / 2); }
  std::uint64_t pages_of(std::uint64_t super) const {
    return entries_of(super) > page_ ? entries_of(super) / page_ : 0;
  }

  void take_super_block(std::uint64_t address, std::uint64_t super) {
    if (address == kNoAddress) {
      first_ += blocks_of(super) * entries_of(super);
      return;
    }
    const std::uint64_t bitmap = blocks_of(super) * bytes_of_bits(pages_of(super));
    const auto bytes = file_.read_checked(address, kBlockHead + bytes_of_bits(entry_bits_) + bitmap +
                                                       blocks_of(super) * kAddressBytes + kChecksumBytes);
    Hdf5Cursor in(file_, bytes);
    entries_.expect_block(in, "EASB");
    in.skip(bytes_of_bits(entry_bits_));
    const WrittenPages written(in.take(bitmap));
    for (std::uint64_t i = 0; i < blocks_of(super); ++i)
      take_data_block(in.number(8), entries_of(super), &written, i * pages_of(super));
  }

  void take_data_block(std::uint64_t address, std::uint64_t count, const WrittenPages* written,
                       std::uint64_t first_page) {
    const std::uint64_t first = first_;
    first_ += count;
    if (address == kNoAddress) return;
    const bool paged = count > page_;
    if (paged && written == nullptr) file_.refuse("a damaged index of chunks");
    const std::uint64_t head = kBlockHead + bytes_of_bits(entry_bits_);
    const auto bytes =
        file_.read_checked(address, head + (paged ? 0 : count * entries_.entry_bytes()) + kChecksumBytes);
    Hdf5Cursor in(file_, bytes);
    entries_.expect_block(in, "EADB");
    in.skip(bytes_of_bits(entry_bits_));
    if (paged)
      entries_.take_pages({address + head + kChecksumBytes, first_page, page_, first, count}, *written);
    else
      entries_.take_entries(in, first, count);
  }

  const Hdf5MetadataFile& file_;
  EntryReader entries_;
  std::uint64_t entry_bits_ = 0;  // of the number of the last entry there may be
  std::uint64_t in_index_ = 0;    // entries in the index block
  std::uint64_t smallest_ = 0;    // entries of the smallest data block
  std::uint64_t pointers_ = 0;    // of the smallest super block that stands for itself
  std::uint64_t page_ = 0;        // entries of a page
  std::uint64_t index_block_ = kNoAddress;
  std::uint64_t first_ = 0;  // the entry that the next data block begins with
};

}  // namespace

void list_fixed_array(const Hdf5MetadataFile& file, std::uint64_t address, Hdf5ChunkList& list) {
  EntryReader entries(file, list);
  const auto header = file.read_checked(address, kFixedHeader);
  Hdf5Cursor in(file, header);
  in.expect("FAHD", "index of chunks");
  in.expect_version(0, "index of chunks");
  entries.begin(in);
  const std::uint64_t page_bits = in.number(1);
  const std::uint64_t count = in.number(8);
  const std::uint64_t block = in.number(8);
  if (block == kNoAddress) return;
  if (page_bits > kMostPageBits || count >> kMostEntryBits != 0) file.refuse("a damaged index of chunks");
  const std::uint64_t page = std::uint64_t{1} << page_bits;
  const bool paged = count > page;
  const std::uint64_t bitmap = paged ? bytes_of_bits((count + page - 1) / page) : 0;
  const std::uint64_t head = kBlockHead + bitmap;
  const auto bytes =
      file.read_checked(block, head + (paged ? 0 : count * entries.entry_bytes()) + kChecksumBytes);
  Hdf5Cursor content(file, bytes);
  entries.expect_block(content, "FADB");
  const auto bits = content.take(bitmap);
  if (paged)
    entries.take_pages({block + head + kChecksumBytes, 0, page, 0, count}, WrittenPages(bits));
  else
    entries.take_entries(content, 0, count);
}

void list_extensible_array(const Hdf5MetadataFile& file, std::uint64_t address, Hdf5ChunkList& list) {
  ExtensibleArray(file, address, list).list();
}

}  // namespace lockstep
