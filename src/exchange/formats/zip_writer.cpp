// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/zip_writer.h"

#include <algorithm>

#include "untrusted/crc32.h"
#include "untrusted/zip_format.h"

namespace lockstep {

namespace {

constexpr std::uint64_t kAlignment = 64;
// Before 1980 there is no time in this format; torch.save writes none either, so equal states give equal
// files.
constexpr std::uint64_t kNoTime = 0;
constexpr std::uint64_t kVersion = 45;
// The id torch.save gives its padding.
constexpr std::uint64_t kPaddingId = 'F' | 'B' << 8;
constexpr std::uint64_t kExtraHead = 4;

class Record {
 public:
  Record& number(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) text_.push_back(static_cast<char>(value >> (8 * i)));
    return *this;
  }
  Record& text(std::string_view more) {
    text_ += more;
    return *this;
  }
  std::size_t size() const { return text_.size(); }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

// The zip64 field for those of `values` that have no room, in their order; empty when all have.
std::string wide_field(const std::vector<std::uint64_t>& values, std::uint64_t wide_from) {
  Record numbers;
  for (const std::uint64_t value : values)
    if (value >= wide_from) numbers.number(value, 8);
  if (numbers.size() == 0) return "";
  const std::size_t bytes = numbers.size();
  return Record().number(zip::kWideId, 2).number(bytes, 2).text(numbers.take()).take();
}

// What both headers of an entry say alike. `sizes`: both of them, or the mark that they stand in the wide
// field.
struct EntryFields {
  std::uint32_t crc = 0;
  std::uint64_t sizes = 0;
  std::uint64_t name_bytes = 0;
  std::uint64_t extra_bytes = 0;
};

Record& add_fields(Record& record, const EntryFields& fields) {
  return record.number(kVersion, 2)
      .number(zip::kUtf8, 2)
      .number(0, 2)
      .number(kNoTime, 4)
      .number(fields.crc, 4)
      .number(fields.sizes, 4)
      .number(fields.sizes, 4)
      .number(fields.name_bytes, 2)
      .number(fields.extra_bytes, 2);
}

}  // namespace

void ZipWriter::write(std::string_view text) {
  file_.write_at(at_, std::as_bytes(std::span(text)));
  at_ += text.size();
}

void ZipWriter::add(const std::string& name, std::string_view text) {
  add(name, std::as_bytes(std::span(text)));
}

void ZipWriter::add(const std::string& name, std::span<const std::byte> bytes) {
  Crc32 crc;
  crc.update(bytes);
  const Entry entry{name, at_, bytes.size(), crc.value()};
  // Both sizes are wide or none is: a reader takes the field's numbers in order.
  const std::string wide = wide_field({entry.bytes, entry.bytes}, wide_from_);
  const std::uint64_t small = wide.empty() ? entry.bytes : zip::kMost32;
  const std::uint64_t unpadded = at_ + zip::kLocalBytes + name.size() + wide.size() + kExtraHead;
  const std::uint64_t padding = (kAlignment - unpadded % kAlignment) % kAlignment;
  Record header;
  header.number(zip::kLocalSignature, 4);
  write(add_fields(header, {entry.crc, small, name.size(), wide.size() + kExtraHead + padding})
            .text(name)
            .text(wide)
            .number(kPaddingId, 2)
            .number(padding, 2)
            .text(std::string(padding, 'Z'))
            .take());
  if (!bytes.empty()) file_.write_at(at_, bytes);
  at_ += bytes.size();
  entries_.push_back(entry);
}

std::string ZipWriter::central_header(const Entry& entry) const {
  const std::string wide = wide_field({entry.bytes, entry.bytes, entry.header}, wide_from_);
  const std::uint64_t small = entry.bytes >= wide_from_ ? zip::kMost32 : entry.bytes;
  Record header;
  header.number(zip::kCentralSignature, 4).number(kVersion, 2);
  return add_fields(header, {entry.crc, small, entry.name.size(), wide.size()})
      .number(0, 2)
      .number(0, 2)
      .number(0, 6)
      .number(entry.header >= wide_from_ ? zip::kMost32 : entry.header, 4)
      .text(entry.name)
      .text(wide)
      .take();
}

std::uint64_t ZipWriter::finish() {
  const std::uint64_t start = at_;
  std::string directory;
  for (const Entry& entry : entries_) directory += central_header(entry);
  const std::uint64_t count = entries_.size();
  Record end;
  // Always there, as in torch.save's files: it says the same where all numbers have room.
  end.number(zip::kEnd64Signature, 4).number(zip::kEnd64Bytes - 12, 8);
  end.number(kVersion, 2).number(kVersion, 2).number(0, 8).number(count, 8).number(count, 8);
  end.number(directory.size(), 8).number(start, 8);
  end.number(zip::kLocatorSignature, 4).number(0, 4).number(start + directory.size(), 8).number(1, 4);
  end.number(zip::kEndSignature, 4).number(0, 4);
  const std::uint64_t small_count = std::min<std::uint64_t>(count, 0xFFFF);
  end.number(small_count, 2).number(small_count, 2);
  end.number(std::min(directory.size(), zip::kMost32), 4);
  end.number(start >= wide_from_ ? zip::kMost32 : start, 4).number(0, 2);
  write(directory + end.take());
  return at_;
}

}  // namespace lockstep
