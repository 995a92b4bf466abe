// SPDX-License-Identifier: Apache-2.0
#include "data/formats/npz_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "data/aligned_bytes.h"
#include "data/formats/npy_array.h"
#include "data/formats/npy_dictionary.h"
#include "data/refuse.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"
#include "untrusted/crc32.h"
#include "untrusted/inflate.h"
#include "untrusted/span_file.h"
#include "untrusted/zip_directory.h"

namespace lockstep {
namespace {

constexpr const char* kRemedy = "Write it again with np.savez or np.savez_compressed, or copy it again.";
constexpr std::string_view kEnding = ".npy";
// As a fingerprint does, the checksums of larger files are left to storage.
constexpr std::uint64_t kMostChecked = 256u << 20;

// An array and, where it was compressed, its bytes.
class UnpackedArray : public Column {
 public:
  UnpackedArray(AlignedBytes bytes, const std::string& where)
      : bytes_(std::move(bytes)), array_(std::as_const(bytes_).span(), where) {}
  std::int64_t rows() const override { return array_.rows(); }
  const Shape& row_shape() const override { return array_.row_shape(); }
  Stored stored() const override { return array_.stored(); }
  void read_rows(std::int64_t row, DType dtype, std::span<std::byte> into) const override {
    array_.read_rows(row, dtype, into);
  }

 private:
  AlignedBytes bytes_;
  NpyArray array_;
};

class NpzFile : public ColumnFile {
 public:
  NpzFile(std::span<const std::byte> bytes, std::string path) : bytes_(bytes), path_(std::move(path)) {
    if (is_npy(bytes))
      refuse_data_file(path_, "is a single NumPy array (.npy), not an archive of named ones (.npz)",
                       "Save inputs and targets together: np.savez(path, x=x, y=y).");
    entries_ = as_data(path_, kRemedy, [&] {
      return read_zip_directory(SpanFile(bytes_), path_, ZipEntries::kStoredOrDeflated);
    });
    if (entries_.empty()) refuse_data_file(path_, "is an archive without an array", kRemedy);
    for (const ZipEntry& entry : entries_)
      if (!entry.name.ends_with(kEnding) || entry.name.size() == kEnding.size())
        refuse_data_file(path_, fmt::format("holds {}, which is no array of NumPy's", shown(entry.name)),
                         kRemedy);
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const ZipEntry& entry : entries_) names.push_back(name_of_array(entry));
    return names;
  }

  std::unique_ptr<Column> column(const std::string& name) const override {
    const auto entry =
        std::ranges::find_if(entries_, [&](const ZipEntry& one) { return name_of_array(one) == name; });
    if (entry == entries_.end())
      refuse_data_file(path_, fmt::format("has no array {}; it has {}", shown(name), all_shown()),
                       "Name its arrays in data.fields and data.target.");
    const std::string where = fmt::format("{}: array {}", path_, shown(name));
    const auto packed = bytes_.subspan(entry->offset, entry->packed);
    if (!entry->deflated) {
      check_sum(*entry, packed, where);
      return std::make_unique<NpyArray>(packed, where);
    }
    AlignedBytes unpacked;
    unpacked.resize(entry->bytes);
    as_data(path_, kRemedy, [&] { inflate(packed, unpacked.span(), where); });
    check_sum(*entry, std::as_const(unpacked).span(), where);
    return std::make_unique<UnpackedArray>(std::move(unpacked), where);
  }

 private:
  static std::string name_of_array(const ZipEntry& entry) {
    return entry.name.substr(0, entry.name.size() - kEnding.size());
  }
  static std::string shown(const std::string& name) {
    constexpr std::size_t kMost = 100;
    return printable(name.substr(0, kMost)) + (name.size() > kMost ? "…" : "");
  }
  std::string all_shown() const {
    constexpr std::size_t kMost = 20;
    std::vector<std::string> shown_names;
    for (const ZipEntry& entry : entries_)
      if (shown_names.size() < kMost) shown_names.push_back(shown(name_of_array(entry)));
    return fmt::format("{}{}", fmt::join(shown_names, ", "), entries_.size() > kMost ? ", …" : "");
  }
  static void check_sum(const ZipEntry& entry, std::span<const std::byte> bytes, const std::string& where) {
    if (bytes.size() > kMostChecked || fault_requested("guard.skip_checksum")) return;
    Crc32 crc;
    crc.update(bytes);
    if (crc.value() != entry.crc) refuse_data_file(where, "is damaged: its checksum is another", kRemedy);
  }

  std::span<const std::byte> bytes_;
  std::string path_;
  std::vector<ZipEntry> entries_;
};

}  // namespace

std::unique_ptr<ColumnFile> open_npz(std::span<const std::byte> bytes, const std::string& path) {
  return std::make_unique<NpzFile>(bytes, path);
}

}  // namespace lockstep
