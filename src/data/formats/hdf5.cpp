// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "data/file_set.h"
#include "data/formats/builtin.h"
#include "data/formats/column_dataset.h"
#include "data/hold_out.h"
#include "data/refuse.h"
#include "hdf5/table.h"

namespace lockstep {
namespace {

class Hdf5Column : public Column {
 public:
  explicit Hdf5Column(hdf5::Table table) : table_(std::move(table)) {}
  std::int64_t rows() const override { return table_.rows(); }
  const Shape& row_shape() const override { return table_.row_shape(); }
  Stored stored() const override { return table_.stored(); }
  void read_rows(std::int64_t row, DType dtype, std::span<std::byte> into) const override {
    table_.read_rows(row, dtype, into);
  }

 private:
  hdf5::Table table_;
};

class Hdf5File : public ColumnFile {
 public:
  explicit Hdf5File(const MappedFile& mapped)
      : file_(hdf5::open_file(mapped.path())), path_(mapped.path()), bytes_(mapped.bytes().size()) {}
  std::vector<std::string> names() const override { return {}; }
  std::unique_ptr<Column> column(const std::string& name) const override {
    return std::make_unique<Hdf5Column>(hdf5::Table(file_, {path_, name, bytes_}));
  }

 private:
  hdf5::File file_;
  std::string path_;
  std::uint64_t bytes_;
};

std::unique_ptr<Dataset> open_files(const DataFiles& files, const ColumnChoice& choice,
                                    const DataOptions& options) {
  return open_columns(find_files(files.paths), choice, options,
                      [](const MappedFile& mapped) { return std::make_unique<Hdf5File>(mapped); });
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
