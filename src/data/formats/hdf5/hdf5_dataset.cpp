// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "data/formats/builtin.h"
#include "data/formats/hdf5/table.h"
#include "data/hold_out.h"
#include "data/joined_files.h"
#include "data/normalizer.h"
#include "data/refuse.h"
#include "data/spec_digest.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

SampleSpec spec_of(const hdf5::Table& inputs, const std::optional<hdf5::Table>& labels) {
  if (!labels) return {inputs.dtype(), inputs.row_shape(), DType::kInt64, {0}};
  SampleSpec spec{inputs.dtype(), inputs.row_shape(), labels->dtype(), labels->row_shape()};
  // A class is one number a sample, whether its column was stored as [N] or [N, 1]; a regression target keeps
  // its dimension, or the loss would broadcast [N, 1] outputs against [N].
  const bool column = element_count(spec.target_shape) == 1 && spec.target_shape.size() <= 1;
  if (column) spec.target_shape = is_floating(spec.target_dtype) ? Shape{1} : Shape{};
  return spec;
}

hdf5::TablePlace place(const MappedFile& file, const std::string& name) {
  return {file.path(), name, file.bytes().size()};
}

std::optional<hdf5::Table> open_labels(const hdf5::File& file, const MappedFile& mapped,
                                       const std::string& name) {
  if (name.empty()) return std::nullopt;
  return hdf5::Table(file, place(mapped, name));
}

class Hdf5Dataset : public Dataset {
 public:
  // Without a name for the labels the target has no elements.
  Hdf5Dataset(MappedFile mapped, const DataFiles& names, const DataOptions& options)
      : file_(hdf5::open_file(mapped.path())),
        inputs_(file_, place(mapped, names.inputs)),
        labels_(open_labels(file_, mapped, names.labels)),
        spec_(spec_of(inputs_, labels_)),
        normalizer_(options, spec_) {
    if (labels_ && inputs_.rows() != labels_->rows())
      refuse_file(mapped.path(),
                  fmt::format("{} has {} rows, {} has {}", names.inputs, inputs_.rows(), names.labels,
                              labels_->rows()),
                  "Inputs and labels need one row for each sample.");
    content_.append(std::move(mapped));
  }

  std::int64_t size() const override { return inputs_.rows(); }
  SampleSpec spec() const override { return spec_; }

  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override {
    inputs_.read_row(index, input);
    if (labels_) labels_->read_row(index, target);
    normalizer_.apply(input);
  }

  Digest fingerprint() const override {
    Hasher hasher;
    update_spec(hasher, spec_);
    normalizer_.add_to(hasher);
    // Of the file, not the values: reading them all through the library would take minutes.
    hasher.update(content_.fingerprint());
    return hasher.digest();
  }

  void check_unchanged() const override { content_.check_unchanged(); }

 private:
  hdf5::File file_;
  hdf5::Table inputs_;
  std::optional<hdf5::Table> labels_;
  SampleSpec spec_;
  Normalizer normalizer_;
  JoinedFiles content_;  // the file's bytes, for fingerprint and change alone
};

}  // namespace

std::unique_ptr<Dataset> open_hdf5(const DataOptions& options, DataPart part) {
  return open_part(options, part, [&](const DataFiles& files) {
    if (files.paths.size() != 1 || files.inputs.empty() || files.labels.empty())
      refuse_option("data.type hdf5 needs one path, and the names of inputs and labels",
                    "Such as {path: digits.h5, inputs: /x, labels: /y}.");
    return std::make_unique<Hdf5Dataset>(MappedFile(files.paths[0]), files, options);
  });
}

std::unique_ptr<Dataset> open_hdf5_inputs(const DataOptions& options) {
  const DataFiles& files = options.train;
  if (files.inputs.empty())
    refuse_option("data.train.inputs is empty", "Name the dataset of the inputs, such as /x.");
  return std::make_unique<Hdf5Dataset>(MappedFile(files.paths[0]), files, options);
}

}  // namespace lockstep
