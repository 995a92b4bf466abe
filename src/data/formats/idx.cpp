// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "data/class_labels.h"
#include "data/formats/builtin.h"
#include "data/hold_out.h"
#include "data/joined_files.h"
#include "data/normalizer.h"
#include "data/refuse.h"
#include "data/spec_digest.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

constexpr const char* kRemedy =
    "Use the unpacked (gunzip) idx-ubyte file; it may have been cut off while copied.";

std::uint32_t big_endian(std::span<const std::byte> bytes) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number = number << 8 | std::to_integer<std::uint32_t>(bytes[i]);
  return number;
}

// The dimensions in the header, once they are known to fit the file's length exactly.
std::vector<std::int64_t> dimensions(const MappedFile& file, std::uint32_t rank) {
  const auto bytes = file.bytes();
  const std::size_t header = 4 * (rank + 1);
  if (bytes.size() < header)
    refuse_data_file(file.path(),
                     fmt::format("has {} bytes, expected an idx{} header of {}", bytes.size(), rank, header),
                     kRemedy);
  // The third byte is the type, the fourth the number of dimensions.
  const std::uint32_t magic = 0x0800 | rank;  // 8: unsigned bytes
  if (big_endian(bytes) != magic)
    refuse_data_file(file.path(),
                     fmt::format("starts with {:08x}, expected {:08x} (idx{}, unsigned bytes)",
                                 big_endian(bytes), magic, rank),
                     kRemedy);
  std::vector<std::int64_t> dims;
  std::uint64_t product = 1;
  bool fits = true;
  for (std::uint32_t i = 1; i <= rank; ++i) {
    dims.push_back(big_endian(bytes.subspan(4 * i)));
    // Four 32-bit numbers from a file: their product may pass 64 bits.
    fits = !__builtin_mul_overflow(product, static_cast<std::uint64_t>(dims.back()), &product) && fits;
  }
  if (!fits || product == 0 || product != bytes.size() - header)
    refuse_data_file(file.path(),
                     fmt::format("the header promises {}{} bytes, {} follow", fits ? "" : "more than ",
                                 fits ? product : UINT64_MAX, bytes.size() - header),
                     kRemedy);
  return dims;
}

void check_labels(const MappedFile& file, const DataOptions& options) {
  const ClassLabels classes(options);
  const auto labels = file.bytes().subspan(8);
  for (std::size_t i = 0; i < labels.size(); ++i)
    classes.check(std::to_integer<std::int64_t>(labels[i]), file.path(), static_cast<std::int64_t>(i));
}

class IdxDataset : public Dataset {
 public:
  // Without labels the target has no elements.
  IdxDataset(MappedFile images, std::optional<MappedFile> labels, const DataOptions& options)
      : dims_(dimensions(images, 3)), labelled_(labels.has_value()), normalizer_(options, spec()) {
    // Magic and one number for each dimension, four bytes each.
    images_.append(std::move(images), 16);
    if (!labels) return;
    const std::int64_t label_count = dimensions(*labels, 1)[0];
    if (label_count != dims_[0])
      refuse_data_file(
          labels->path(),
          fmt::format("has {} labels, expected one for each of {} images", label_count, dims_[0]),
          "Name the labels that belong to these images.");
    check_labels(*labels, options);
    labels_.append(std::move(*labels), 8);
  }

  std::int64_t size() const override { return dims_[0]; }
  SampleSpec spec() const override {
    return {DType::kFloat32, {1, dims_[1], dims_[2]}, DType::kInt64, labelled_ ? Shape{} : Shape{0}};
  }

  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override {
    check(index >= 0 && index < size(), "a sample lies inside its dataset");
    const std::size_t pixels = static_cast<std::size_t>(dims_[1] * dims_[2]);
    std::vector<std::byte> image(pixels);
    images_.copy(static_cast<std::uint64_t>(index) * pixels, image);
    normalizer_.from_bytes(image, input);
    if (!labelled_) return;
    std::array<std::byte, 1> label{};
    labels_.copy(static_cast<std::uint64_t>(index), label);
    *reinterpret_cast<std::int64_t*>(target.data()) = std::to_integer<std::int64_t>(label[0]);
  }

  Digest fingerprint() const override {
    Hasher hasher;
    update_spec(hasher, spec());
    normalizer_.add_to(hasher);
    hasher.update(images_.fingerprint());
    hasher.update(labels_.fingerprint());
    return hasher.digest();
  }

  std::string place_of(std::int64_t index) const override {
    return fmt::format("{}, image {}", images_.place_of(0).first, index);
  }
  std::string description() const override {
    return fmt::format("{} images of {} x {}", size(), dims_[1], dims_[2]);
  }
  std::vector<DataFile> files() const override {
    std::vector<DataFile> both = images_.files();
    for (DataFile& file : labels_.files()) both.push_back(std::move(file));
    return both;
  }
  void check_unchanged() const override {
    images_.check_unchanged();
    labels_.check_unchanged();
  }

 private:
  std::vector<std::int64_t> dims_;  // count, rows, columns
  bool labelled_;
  Normalizer normalizer_;
  JoinedFiles images_;
  JoinedFiles labels_;
};

}  // namespace

std::unique_ptr<Dataset> open_idx(const DataOptions& options, DataPart part) {
  return open_part(options, part, [&](const DataFiles& files) {
    if (files.inputs.empty() || files.labels.empty())
      refuse_option("data.type idx needs inputs and labels", "Name the idx3-ubyte and the idx1-ubyte file.");
    return std::make_unique<IdxDataset>(MappedFile(files.inputs), MappedFile(files.labels), options);
  });
}

std::unique_ptr<Dataset> open_idx_inputs(const DataOptions& options) {
  return std::make_unique<IdxDataset>(MappedFile(options.train.inputs), std::nullopt, options);
}

}  // namespace lockstep
