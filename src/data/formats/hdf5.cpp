// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <utility>
#include <vector>

#include "data/file_set.h"
#include "data/formats/builtin.h"
#include "data/formats/column_dataset.h"
#include "data/formats/numbers.h"
#include "data/hold_out.h"
#include "data/refuse.h"
#include "hdf5/table.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

constexpr const char* kRemedy = "Copy it again, or write it again; it may have been cut off.";

// Rows of one chunk are read one after the other, and shuffled ones come back to it as long as it is kept.
constexpr std::uint64_t kCacheBytes = 1u << 30;

StoredNumbers numbers_of(const Hdf5TypeInfo& type) {
  using Kind = StoredNumbers::Kind;
  StoredNumbers numbers{Kind::kFloat, static_cast<std::size_t>(type.bytes), type.big_endian};
  if (type.kind == Hdf5TypeInfo::Kind::kBool) numbers.kind = Kind::kBool;
  if (type.kind == Hdf5TypeInfo::Kind::kInteger)
    numbers.kind = type.is_signed ? Kind::kSigned : Kind::kUnsigned;
  if (type.dtype == DType::kBFloat16) numbers.kind = Kind::kBFloat;
  return numbers;
}

class Hdf5Column : public Column {
 public:
  Hdf5Column(const Hdf5Bytes& file, const std::string& name)
      : table_(file, name), path_(file.path), name_(name), numbers_(numbers_of(table_.type())) {}
  std::int64_t rows() const override { return table_.rows(); }
  const Shape& row_shape() const override { return table_.row_shape(); }
  Stored stored() const override { return stored_as(numbers_); }

  void read_rows(std::int64_t row, DType dtype, std::span<std::byte> into) const override {
    as_data(path_, kRemedy, [&] {
      if (are_already(numbers_, dtype)) return table_.read_rows(row, into);
      std::vector<std::byte> bytes(into.size() / size_of(dtype) * numbers_.bytes);
      table_.read_rows(row, bytes);
      if (const auto over = convert_numbers(numbers_, bytes, dtype, into))
        refuse_data_file(path_,
                         fmt::format("dataset {} holds {} from row {} on, more than int64 does",
                                     printable(name_), *over, row),
                         "Labels and integers for an embedding are read as int64.");
    });
  }

 private:
  Hdf5Table table_;
  std::string path_;
  std::string name_;
  StoredNumbers numbers_;
};

class Hdf5File : public ColumnFile {
 public:
  Hdf5File(const MappedFile& mapped, std::shared_ptr<Hdf5ChunkCache> cache)
      : bytes_(as_data(mapped.path(), kRemedy, [&] {
          return without_user_block({mapped.bytes(), mapped.path(), 0, std::move(cache)});
        })) {}
  std::vector<std::string> names() const override { return {}; }
  std::unique_ptr<Column> column(const std::string& name) const override {
    return as_data(bytes_.path, kRemedy, [&] { return std::make_unique<Hdf5Column>(bytes_, name); });
  }

 private:
  Hdf5Bytes bytes_;
};

std::unique_ptr<Dataset> open_files(const DataFiles& files, const ColumnChoice& choice,
                                    const DataOptions& options) {
  const auto cache = std::make_shared<Hdf5ChunkCache>(kCacheBytes);
  return open_columns(find_files(files.paths), choice, options,
                      [&](const MappedFile& mapped) { return std::make_unique<Hdf5File>(mapped, cache); });
}

}  // namespace

std::unique_ptr<Dataset> open_hdf5(const DataOptions& options, DataPart part) {
  return open_part(options, part, [&](const DataFiles& files) {
    if (!options.fields.empty()) return open_files(files, ColumnChoice::named(options), options);
    if (files.paths.empty() || files.inputs.empty() || files.labels.empty())
      refuse_option("data.type hdf5 needs a path, and the names of inputs and labels",
                    "Such as {path: digits.h5, inputs: /x, labels: /y}; or data.fields.");
    return open_files(files, ColumnChoice::pair(files), options);
  });
}

std::unique_ptr<Dataset> open_hdf5_inputs(const DataOptions& options) {
  if (!options.fields.empty()) return open_files(options.train, ColumnChoice::named_inputs(options), options);
  if (options.train.inputs.empty())
    refuse_option("data.train.inputs is empty", "Name the dataset of the inputs, such as /x.");
  return open_files(options.train, ColumnChoice::pair({{}, options.train.inputs, ""}), options);
}

}  // namespace lockstep
