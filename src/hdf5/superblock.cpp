// SPDX-License-Identifier: Apache-2.0
#include "hdf5/superblock.h"

#include <algorithm>

namespace lockstep {

namespace {

constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
constexpr std::uint64_t kLongest = 100;
constexpr std::uint64_t kNewBytes = 48;
constexpr std::uint64_t kOpenForWriting = 0x01;
constexpr std::uint64_t kOpenForSwmr = 0x04;

void require_wide_numbers(const Hdf5MetadataFile& file, Hdf5Cursor& in) {
  const std::uint64_t offset_bytes = in.number(1);
  const std::uint64_t length_bytes = in.number(1);
  if (offset_bytes != 8 || length_bytes != 8)
    file.refuse("its addresses have " + std::to_string(offset_bytes) + " bytes and its lengths " +
                std::to_string(length_bytes) + ", not 8");
}

// Addresses count from there.
void require_base(const Hdf5MetadataFile& file, Hdf5Cursor& in, std::uint64_t base) {
  if (in.number(8) != base) file.refuse("it has a user block, which Lockstep does not read here");
}

void require_whole(const Hdf5MetadataFile& file, std::uint64_t end, std::uint64_t base) {
  const std::uint64_t size = file.size() + base;
  if (end > size)
    file.refuse("it was " + std::to_string(end) + " bytes long and has " + std::to_string(size) +
                ": cut off");
}

// Versions 0 and 1, of which the second has four bytes more.
std::uint64_t old_root(const Hdf5MetadataFile& file, Hdf5Cursor in, std::uint64_t version,
                       std::uint64_t base) {
  in.skip(4);
  require_wide_numbers(file, in);
  in.skip(version == 0 ? 9 : 13);
  require_base(file, in, base);
  in.skip(8);
  require_whole(file, in.number(8), base);
  if (in.number(8) != kNoAddress) file.refuse("it is one of several files that are read together");
  in.skip(8);
  return in.number(8);
}

std::uint64_t new_root(const Hdf5MetadataFile& file, Hdf5Cursor in, std::uint64_t version,
                       std::uint64_t base) {
  require_wide_numbers(file, in);
  const std::uint64_t flags = in.number(1);
  if (version == 3 && (flags & (kOpenForWriting | kOpenForSwmr)) != 0)
    file.refuse("it is open for writing in another program, or was not closed by it",
                "Wait until it is written. If no program writes it any more, h5clear -s FILE takes the mark "
                "off; then look whether all is in it.");
  require_base(file, in, base);
  in.skip(8);
  require_whole(file, in.number(8), base);
  return in.number(8);
}

}  // namespace

bool is_hdf5(std::span<const std::byte> bytes) {
  return bytes.size() > kSignature.size() &&
         std::ranges::equal(bytes.first(kSignature.size()), std::as_bytes(std::span(kSignature)));
}

std::uint64_t root_group_of(const Hdf5MetadataFile& file, std::uint64_t user_block) {
  const auto bytes = file.read(0, std::min(kLongest, file.size()));
  if (!is_hdf5(bytes))
    file.refuse("not an HDF5 file (or one with a user block, which Lockstep does not read)");
  Hdf5Cursor in(file, bytes);
  in.skip(kSignature.size());
  const std::uint64_t version = in.number(1);
  if (version > 3)
    file.refuse("superblock version " + std::to_string(version) + " of HDF5, which Lockstep does not read");
  if (version < 2) return old_root(file, in, version, user_block);
  if (bytes.size() < kNewBytes) file.refuse("it ends in its superblock: cut off");
  file.require_checksum(std::span(bytes).first(kNewBytes));
  return new_root(file, in, version, user_block);
}

}  // namespace lockstep
