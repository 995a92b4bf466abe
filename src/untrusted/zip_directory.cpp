// SPDX-License-Identifier: Apache-2.0
#include "untrusted/zip_directory.h"

#include <algorithm>
#include <set>

#include "untrusted/byte_stream.h"
#include "untrusted/refusal.h"
#include "untrusted/zip_end.h"
#include "untrusted/zip_format.h"

namespace lockstep {

namespace {

// An entry as the directory has it.
struct ListedEntry {
  ZipEntry entry;
  std::uint64_t header = 0;
  std::uint16_t flags = 0;
};

class DirectoryReader {
 public:
  DirectoryReader(const ReadableFile& file, const std::string& origin, ZipEntries entries)
      : file_(file), origin_(origin), entries_(entries) {}

  std::vector<ZipEntry> read() const {
    const ZipEnd end = read_zip_end(file_, origin_);
    std::vector<ListedEntry> listed = read_listing(end);
    std::sort(listed.begin(), listed.end(), [](const auto& a, const auto& b) { return a.header < b.header; });
    std::vector<ZipEntry> entries;
    for (std::size_t i = 0; i < listed.size(); ++i) {
      const std::uint64_t next = i + 1 < listed.size() ? listed[i + 1].header : end.offset;
      entries.push_back(place_entry(listed[i], std::min(next, end.offset)));
    }
    return entries;
  }

 private:
  [[noreturn]] void refuse(const std::string& fact) const { refuse_bytes(origin_, "zip archive: " + fact); }

  ByteStream stream(std::uint64_t first, std::uint64_t end) const {
    return ByteStream(file_, first, end, origin_);
  }

  std::vector<ListedEntry> read_listing(const ZipEnd& end) const {
    ByteStream in = stream(end.offset, end.record);
    std::vector<ListedEntry> listed;
    std::set<std::string> names;
    for (std::uint64_t i = 0; i < end.entries; ++i) {
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
  return DirectoryReader(file, origin, entries).read();
}

}  // namespace lockstep
