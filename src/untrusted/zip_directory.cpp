// SPDX-License-Identifier: Apache-2.0
#include "untrusted/zip_directory.h"

#include <algorithm>
#include <optional>
#include <set>

#include "untrusted/byte_stream.h"
#include "untrusted/refusal.h"
#include "untrusted/zip_format.h"

namespace lockstep {

namespace {

constexpr std::size_t kMaxEntries = 500'000;
constexpr std::uint64_t kMaxDirectory = 256u << 20;

// Where the directory lies and how much it lists.
struct DirectoryPlace {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0;
  std::uint64_t end = 0;  // the record that says so begins here
};

// An entry as the directory has it.
struct ListedEntry {
  ZipEntry entry;
  std::uint64_t header = 0;
  std::uint16_t flags = 0;
};

class ZipReader {
 public:
  ZipReader(const ReadableFile& file, const std::string& origin, ZipEntries entries)
      : file_(file), origin_(origin), entries_(entries) {}

  std::vector<ZipEntry> read() const {
    const DirectoryPlace place = find_directory();
    std::vector<ListedEntry> listed = read_listing(place);
    std::sort(listed.begin(), listed.end(), [](const auto& a, const auto& b) { return a.header < b.header; });
    std::vector<ZipEntry> entries;
    for (std::size_t i = 0; i < listed.size(); ++i) {
      const std::uint64_t next = i + 1 < listed.size() ? listed[i + 1].header : place.offset;
      entries.push_back(place_entry(listed[i], std::min(next, place.offset)));
    }
    return entries;
  }

 private:
  [[noreturn]] void refuse(const std::string& fact) const { refuse_bytes(origin_, "zip archive: " + fact); }

  ByteStream stream(std::uint64_t first, std::uint64_t end) const {
    return ByteStream(file_, first, end, origin_);
  }

  // The record at the very end; a comment behind it is allowed, anything else is not.
  std::uint64_t find_end_record() const {
    const std::uint64_t size = file_.size();
    if (size < zip::kEndBytes) refuse("too short");
    const std::uint64_t first = size - std::min<std::uint64_t>(size, zip::kEndBytes + 0xFFFF);
    std::vector<std::byte> tail(static_cast<std::size_t>(size - first));
    file_.read_at(first, tail);
    const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(tail[i]); };
    for (std::size_t at = tail.size() - zip::kEndBytes + 1; at-- > 0;) {
      const std::uint32_t signature = byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16 | byte(at + 3) << 24;
      if (signature == zip::kEndSignature &&
          (byte(at + 20) | byte(at + 21) << 8) == tail.size() - at - zip::kEndBytes)
        return first + at;
    }
    refuse("it has no end record: truncated, or no archive");
  }

  DirectoryPlace find_directory() const {
    DirectoryPlace place;
    place.end = find_end_record();
    ByteStream in = stream(place.end + 4, file_.size());
    const std::uint64_t disks = in.number(4);
    const std::uint64_t here = in.number(2);
    place.entries = in.number(2);
    place.bytes = in.number(4);
    place.offset = in.number(4);
    if (disks != 0 || here != place.entries) refuse("it has several volumes");
    read_zip64(place);
    if (place.entries > kMaxEntries) refuse("it lists " + std::to_string(place.entries) + " entries");
    if (place.bytes > kMaxDirectory || place.offset > place.end || place.bytes != place.end - place.offset)
      refuse("its directory does not end where the end record begins");
    return place;
  }

  // Where there is a zip64 record its numbers hold.
  void read_zip64(DirectoryPlace& place) const {
    if (place.end < zip::kLocatorBytes + zip::kEnd64Bytes) return;
    const std::uint64_t locator = place.end - zip::kLocatorBytes;
    ByteStream in = stream(locator, place.end);
    if (in.number(4) != zip::kLocatorSignature) return;
    in.number(4);
    const std::uint64_t record = in.number(8);
    if (record > locator || locator - record != zip::kEnd64Bytes)
      refuse("its zip64 record is not in its place");
    ByteStream wide = stream(record, locator);
    if (wide.number(4) != zip::kEnd64Signature || wide.number(8) != zip::kEnd64Bytes - 12)
      refuse("its zip64 record is damaged");
    wide.number(4);
    if (wide.number(8) != 0) refuse("it has several volumes");
    const std::uint64_t here = wide.number(8);
    const DirectoryPlace narrow = place;
    place.entries = wide.number(8);
    place.bytes = wide.number(8);
    place.offset = wide.number(8);
    place.end = record;
    const auto same = [](std::uint64_t small, std::uint64_t large, std::uint64_t most) {
      return small == large || small == most;
    };
    if (here != place.entries || !same(narrow.entries, place.entries, 0xFFFF) ||
        !same(narrow.bytes, place.bytes, zip::kMost32) || !same(narrow.offset, place.offset, zip::kMost32))
      refuse("its two end records differ");
  }

  std::vector<ListedEntry> read_listing(const DirectoryPlace& place) const {
    ByteStream in = stream(place.offset, place.end);
    std::vector<ListedEntry> listed;
    std::set<std::string> names;
    for (std::uint64_t i = 0; i < place.entries; ++i) {
      listed.push_back(read_listed(in));
      if (!names.insert(listed.back().entry.name).second)
        refuse("entry " + listed.back().entry.name + " is there twice");
    }
    if (in.remaining() != 0) refuse("its directory holds more than it says");
    return listed;
  }

  ListedEntry read_listed(ByteStream& in) const {
    if (in.number(4) != zip::kCentralSignature) refuse("its directory is damaged");
    ListedEntry listed;
    in.number(4);  // versions
    listed.flags = static_cast<std::uint16_t>(in.number(2));
    const std::uint64_t method = in.number(2);
    in.number(4);  // time and date
    listed.entry.crc = static_cast<std::uint32_t>(in.number(4));
    listed.entry.packed = in.number(4);
    listed.entry.bytes = in.number(4);
    const std::uint64_t name = in.number(2), extra = in.number(2), comment = in.number(2);
    const std::uint64_t disk = in.number(2);
    in.number(6);  // attributes
    listed.header = in.number(4);
    listed.entry.name = in.text(name);
    read_wide(in.text(extra), {&listed.entry.bytes, &listed.entry.packed, &listed.header});
    in.text(comment);
    const std::string where = "entry " + listed.entry.name;
    if ((listed.flags & zip::kEncrypted) != 0) refuse(where + " is encrypted");
    listed.entry.deflated = method == zip::kDeflated;
    if (entries_ == ZipEntries::kStored && (method != 0 || listed.entry.packed != listed.entry.bytes))
      refuse(where + " is compressed; torch.save stores it, and so must whoever packs it again");
    require_possible(listed.entry, method);
    if (disk != 0 && disk != 0xFFFF) refuse(where + " lies on another volume");
    return listed;
  }

  void require_possible(const ZipEntry& entry, std::uint64_t method) const {
    const std::string where = "entry " + entry.name;
    if (method != 0 && method != zip::kDeflated)
      refuse(where + " is compressed by method " + std::to_string(method) + ", not by deflate");
    if (method == 0 && entry.packed != entry.bytes) refuse(where + " is stored, in another number of bytes");
    // No stream of deflate grows further than that.
    if (entry.bytes / zip::kMostGrowth > entry.packed)
      refuse(where + " claims more bytes than its own can hold");
  }

  // The zip64 extra field: 8 bytes for each number that has no room in its own place, in this order.
  void read_wide(const std::string& extra, const std::vector<std::uint64_t*>& numbers) const {
    const auto number = [&](std::size_t at, std::size_t bytes) {
      std::uint64_t value = 0;
      for (std::size_t i = 0; i < bytes; ++i)
        value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(extra[at + i])) << (8 * i);
      return value;
    };
    for (std::size_t at = 0; at + 4 <= extra.size();) {
      const std::uint64_t id = number(at, 2), bytes = number(at + 2, 2);
      at += 4;
      if (bytes > extra.size() - at) refuse("an extra field reaches beyond its place");
      std::size_t from = at;
      for (std::uint64_t* wanted : numbers) {
        if (id != zip::kWideId || *wanted != zip::kMost32) continue;
        if (at + bytes - from < 8) refuse("a zip64 field is too short");
        *wanted = number(from, 8);
        from += 8;
      }
      at += bytes;
    }
  }

  // The bytes of an entry, once its local header is found to say the same; they end before `limit`.
  ZipEntry place_entry(const ListedEntry& listed, std::uint64_t limit) const {
    const std::string where = "entry " + listed.entry.name;
    if (listed.header > limit) refuse(where + " does not lie in front of the directory");
    ByteStream in = stream(listed.header, limit);
    if (in.number(4) != zip::kLocalSignature) refuse(where + " has no header of its own");
    in.number(2);
    const std::uint64_t flags = in.number(2), method = in.number(2);
    in.number(4);  // time and date
    const std::uint64_t crc = in.number(4);
    std::uint64_t packed = in.number(4), bytes = in.number(4);
    const std::uint64_t name = in.number(2), extra = in.number(2);
    const bool same_name = in.text(name) == listed.entry.name;
    read_wide(in.text(extra), {&bytes, &packed});
    // With this flag the numbers may stand behind the bytes instead.
    const bool later = (flags & zip::kDescriptor) != 0 && bytes == 0 && packed == 0 && crc == 0;
    const bool same = bytes == listed.entry.bytes && packed == listed.entry.packed && crc == listed.entry.crc;
    if (!same_name || method != (listed.entry.deflated ? zip::kDeflated : 0) || flags != listed.flags ||
        !(same || later))
      refuse(where + ": its own header and the directory say different things");
    ZipEntry entry = listed.entry;
    entry.offset = in.position();
    if (entry.packed > in.remaining()) refuse(where + " reaches into what follows it");
    return entry;
  }

  const ReadableFile& file_;
  const std::string& origin_;
  ZipEntries entries_;
};

}  // namespace

std::vector<ZipEntry> read_zip_directory(const ReadableFile& file, const std::string& origin,
                                         ZipEntries entries) {
  return ZipReader(file, origin, entries).read();
}

}  // namespace lockstep
