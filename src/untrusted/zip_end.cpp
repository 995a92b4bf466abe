// SPDX-License-Identifier: Apache-2.0
#include "untrusted/zip_end.h"

#include <algorithm>
#include <vector>

#include "untrusted/byte_stream.h"
#include "untrusted/refusal.h"
#include "untrusted/zip_format.h"

namespace lockstep {

namespace {

constexpr std::size_t kMaxEntries = 500'000;
constexpr std::uint64_t kMaxDirectory = 256u << 20;

class EndReader {
 public:
  EndReader(const ReadableFile& file, const std::string& origin) : file_(file), origin_(origin) {}

  ZipEnd read() const {
    ZipEnd end;
    end.record = find_end_record();
    ByteStream in = stream(end.record + 4, file_.size());
    const std::uint64_t disks = in.number(4);
    const std::uint64_t here = in.number(2);
    end.entries = in.number(2);
    end.bytes = in.number(4);
    end.offset = in.number(4);
    if (disks != 0 || here != end.entries) refuse("it has several volumes");
    read_zip64(end);
    if (end.entries > kMaxEntries) refuse("it lists " + std::to_string(end.entries) + " entries");
    if (end.bytes > kMaxDirectory || end.offset > end.record || end.bytes != end.record - end.offset)
      refuse("its directory does not end where the end record begins");
    return end;
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

  // Where there is a zip64 record its numbers hold.
  void read_zip64(ZipEnd& end) const {
    if (end.record < zip::kLocatorBytes + zip::kEnd64Bytes) return;
    const std::uint64_t locator = end.record - zip::kLocatorBytes;
    ByteStream in = stream(locator, end.record);
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
    const ZipEnd narrow = end;
    end.entries = wide.number(8);
    end.bytes = wide.number(8);
    end.offset = wide.number(8);
    end.record = record;
    const auto same = [](std::uint64_t small, std::uint64_t large, std::uint64_t most) {
      return small == large || small == most;
    };
    if (here != end.entries || !same(narrow.entries, end.entries, 0xFFFF) ||
        !same(narrow.bytes, end.bytes, zip::kMost32) || !same(narrow.offset, end.offset, zip::kMost32))
      refuse("its two end records differ");
  }

  const ReadableFile& file_;
  const std::string& origin_;
};

}  // namespace

ZipEnd read_zip_end(const ReadableFile& file, const std::string& origin) {
  return EndReader(file, origin).read();
}

}  // namespace lockstep
