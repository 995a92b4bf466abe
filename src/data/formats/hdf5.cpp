// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "data/class_labels.h"
#include "data/file_set.h"
#include "data/formats/builtin.h"
#include "data/hold_out.h"
#include "data/joined_files.h"
#include "data/normalizer.h"
#include "data/refuse.h"
#include "data/spec_digest.h"
#include "hdf5/table.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using hdf5::Stored;

// Inputs are numbers: bytes and bools as images of idx files are, other integers by their value. A model of
// the program's own may want integers for an embedding, and gets them.
DType input_dtype(Stored stored, const DataOptions& options) {
  switch (stored) {
    case Stored::kDouble:
      return DType::kFloat64;
    case Stored::kInteger:
      return options.integer_inputs ? DType::kInt64 : DType::kFloat32;
    case Stored::kWideInteger:
      // A float32 would lose what is above 2^24 before it is normalized.
      return options.integer_inputs ? DType::kInt64 : DType::kFloat64;
    default:
      return DType::kFloat32;
  }
}

DType label_dtype(Stored stored) {
  if (stored == Stored::kFloat) return DType::kFloat32;
  return stored == Stored::kDouble ? DType::kFloat64 : DType::kInt64;
}

// One file: its inputs and, where they have a name, its labels.
struct Part {
  hdf5::File file;
  hdf5::Table inputs;
  std::optional<hdf5::Table> labels;
  std::int64_t first = 0;  // number of its first sample
};

hdf5::TablePlace place(const MappedFile& file, const std::string& name) {
  return {file.path(), name, file.bytes().size()};
}

Part open_part_of(const MappedFile& mapped, const DataFiles& names) {
  hdf5::File file = hdf5::open_file(mapped.path());
  hdf5::Table inputs(file, place(mapped, names.inputs));
  std::optional<hdf5::Table> labels;
  if (!names.labels.empty()) labels.emplace(file, place(mapped, names.labels));
  if (labels && inputs.rows() != labels->rows())
    refuse_data_file(
        mapped.path(),
        fmt::format("{} has {} rows, {} has {}", names.inputs, inputs.rows(), names.labels, labels->rows()),
        "Inputs and labels need one row for each sample.");
  return {std::move(file), std::move(inputs), std::move(labels)};
}

SampleSpec spec_of(const Part& part, const DataOptions& options) {
  SampleSpec spec{input_dtype(part.inputs.stored(), options), part.inputs.row_shape(), DType::kInt64, {0}};
  if (!part.labels) return spec;
  spec.target_dtype = label_dtype(part.labels->stored());
  spec.target_shape = part.labels->row_shape();
  // A class is one number a sample, whether its column was stored as [N] or [N, 1]; a regression target keeps
  // its dimension, or the loss would broadcast [N, 1] outputs against [N].
  const bool column = element_count(spec.target_shape) == 1 && spec.target_shape.size() <= 1;
  if (column) spec.target_shape = is_floating(spec.target_dtype) ? Shape{1} : Shape{};
  return spec;
}

// Read alike: the same bytes of two files mean the same numbers.
bool alike(const Part& a, const Part& b) {
  const auto same = [](const hdf5::Table& one, const hdf5::Table& other) {
    return one.stored() == other.stored() && one.row_shape() == other.row_shape();
  };
  return same(a.inputs, b.inputs) && (!a.labels || same(*a.labels, *b.labels));
}

// One class a sample, and few enough that reading them all takes no time.
void check_labels(const Part& part, const std::string& path, const DataOptions& options) {
  constexpr std::int64_t kMost = std::int64_t{1} << 22;
  const ClassLabels classes(options);
  const bool read = classes.are_known() && part.labels && !is_floating(label_dtype(part.labels->stored())) &&
                    element_count(part.labels->row_shape()) == 1 && part.labels->rows() <= kMost;
  if (!read) return;
  std::vector<std::int64_t> labels(static_cast<std::size_t>(part.labels->rows()));
  part.labels->read_rows(0, DType::kInt64, std::as_writable_bytes(std::span(labels)));
  for (std::size_t i = 0; i < labels.size(); ++i)
    classes.check(labels[i], path, static_cast<std::int64_t>(i));
}

class Hdf5Dataset : public Dataset {
 public:
  // Without a name for the labels the target has no elements.
  Hdf5Dataset(const FileSet& files, const DataFiles& names, const DataOptions& options)
      : inputs_name_(names.inputs), taken_(describe(files)) {
    for (const FoundFile& found : files.files) {
      add(found, names);
      check_labels(parts_.back(), found.path, options);
    }
    spec_ = spec_of(parts_.front(), options);
    if (is_floating(spec_.input_dtype))
      normalizer_.emplace(options, spec_);
    else
      refuse_normalize(options);
  }

  std::int64_t size() const override { return size_; }
  SampleSpec spec() const override { return spec_; }

  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override {
    const Part& part = part_of(index);
    read_input(part.inputs, index - part.first, input);
    if (part.labels) part.labels->read_rows(index - part.first, spec_.target_dtype, target);
  }

  Digest fingerprint() const override {
    Hasher hasher;
    update_spec(hasher, spec_);
    if (normalizer_) normalizer_->add_to(hasher);
    // Of the file, not the values: reading them all through the library would take minutes.
    hasher.update(content_.fingerprint());
    return hasher.digest();
  }

  std::string place_of(std::int64_t index) const override {
    const auto number = static_cast<std::size_t>(&part_of(index) - parts_.data());
    return fmt::format("{}, row {} of {}", paths_[number], index - parts_[number].first, inputs_name_);
  }
  std::string description() const override {
    return fmt::format("{}: {} samples, inputs {} as {}", taken_, size_, inputs_name_,
                       name_of(spec_.input_dtype));
  }
  std::vector<DataFile> files() const override { return content_.files(); }
  void check_unchanged() const override { content_.check_unchanged(); }

 private:
  void add(const FoundFile& found, const DataFiles& names) {
    MappedFile mapped(found.path);
    Part part = open_part_of(mapped, names);
    part.first = size_;
    if (!parts_.empty() && !alike(parts_.front(), part))
      refuse_data_file(found.path, fmt::format("has other dtypes or row shapes than {}", paths_.front()),
                       "Files that are read as one need the same kind of rows; compare them with h5ls -r.");
    size_ += part.inputs.rows();
    parts_.push_back(std::move(part));
    paths_.push_back(found.path);
    content_.append(std::move(mapped), 0, found.name);
  }

  const Part& part_of(std::int64_t index) const {
    check(index >= 0 && index < size_, "a sample lies inside its dataset");
    const auto after =
        std::upper_bound(parts_.begin(), parts_.end(), index,
                         [](std::int64_t sample, const Part& part) { return sample < part.first; });
    return *std::prev(after);
  }

  void read_input(const hdf5::Table& inputs, std::int64_t row, std::span<std::byte> input) const {
    const Stored stored = inputs.stored();
    if (stored != Stored::kByte && stored != Stored::kBool) {
      inputs.read_rows(row, spec_.input_dtype, input);
      if (normalizer_) normalizer_->apply(input);
      return;
    }
    std::vector<std::byte> bytes(input.size() / sizeof(float));
    inputs.read_rows(row, DType::kUInt8, bytes);
    if (stored == Stored::kByte) return normalizer_->from_bytes(bytes, input);
    const std::span<float> values(reinterpret_cast<float*>(input.data()), bytes.size());
    std::transform(bytes.begin(), bytes.end(), values.begin(),
                   [](std::byte value) { return value == std::byte{0} ? 0.0f : 1.0f; });
    normalizer_->apply(input);
  }

  std::string inputs_name_;
  std::string taken_;  // the files, for people
  std::vector<Part> parts_;
  std::vector<std::string> paths_;
  std::int64_t size_ = 0;
  SampleSpec spec_;
  std::optional<Normalizer> normalizer_;  // of inputs that are floats
  JoinedFiles content_;                   // the files' bytes, for fingerprint and change alone
};

}  // namespace

std::unique_ptr<Dataset> open_hdf5(const DataOptions& options, DataPart part) {
  return open_part(options, part, [&](const DataFiles& files) {
    if (files.paths.empty() || files.inputs.empty() || files.labels.empty())
      refuse_option("data.type hdf5 needs a path, and the names of inputs and labels",
                    "Such as {path: digits.h5, inputs: /x, labels: /y}.");
    return std::make_unique<Hdf5Dataset>(find_files(files.paths), files, options);
  });
}

std::unique_ptr<Dataset> open_hdf5_inputs(const DataOptions& options) {
  const DataFiles& files = options.train;
  if (files.inputs.empty())
    refuse_option("data.train.inputs is empty", "Name the dataset of the inputs, such as /x.");
  return std::make_unique<Hdf5Dataset>(find_files(files.paths), files, options);
}

}  // namespace lockstep
