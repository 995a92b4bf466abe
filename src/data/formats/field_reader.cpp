// SPDX-License-Identifier: Apache-2.0
#include "data/formats/field_reader.h"

#include <algorithm>
#include <vector>

#include "data/image_fields.h"

namespace lockstep {
namespace {

// Bytes and bools as images of idx files are, other integers by their value. A model of the program's own may
// want integers for an embedding, and gets them.
DType number_dtype(Stored stored, const DataOptions& options) {
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

DType dtype_as_stored(Stored stored) {
  switch (stored) {
    case Stored::kFloat:
      return DType::kFloat32;
    case Stored::kDouble:
      return DType::kFloat64;
    case Stored::kByte:
      return DType::kUInt8;
    case Stored::kBool:
      return DType::kBool;
    default:
      return DType::kInt64;
  }
}

DType target_dtype(Stored stored) {
  if (stored == Stored::kFloat) return DType::kFloat32;
  return stored == Stored::kDouble ? DType::kFloat64 : DType::kInt64;
}

DType dtype_of(FieldUse use, Stored stored, const DataOptions& options) {
  if (use == FieldUse::kTarget) return target_dtype(stored);
  return use == FieldUse::kNumbers ? number_dtype(stored, options) : dtype_as_stored(stored);
}

}  // namespace

FieldReader::FieldReader(const Column& column, FieldUse use, bool varies, const DataOptions& options)
    : use_(use), dtype_(dtype_of(use, column.stored(), options)), shape_(column.row_shape()) {
  // A class is one number a sample, whether its column was stored as [N] or [N, 1]; a regression target keeps
  // its dimension, or the loss would broadcast [N, 1] outputs against [N].
  const bool one = use == FieldUse::kTarget && element_count(shape_) == 1 && shape_.size() <= 1;
  if (one) shape_ = is_floating(dtype_) && !varies ? Shape{1} : Shape{};
  if (varies) shape_.insert(shape_.begin(), -1);
  const bool wanted = !options.mean.empty() || !options.std.empty();
  if (use == FieldUse::kAsStored && wanted && is_image({"", dtype_, shape_})) {
    use_ = FieldUse::kNumbers;
    dtype_ = dtype_ == DType::kUInt8 ? DType::kFloat32 : dtype_;
  }
  if (use_ != FieldUse::kNumbers) return;
  normalizes_ = wanted;
  if (varies || !is_floating(dtype_)) refuse_normalize(options);
  DataOptions plain;
  if (is_floating(dtype_))
    normalizer_.emplace(varies ? plain : options, SampleSpec{dtype_, column.row_shape(), DType::kInt64, {}});
}

void FieldReader::read(const Column& column, std::int64_t row, std::span<std::byte> into) const {
  if (into.empty()) return;
  if (use_ == FieldUse::kNumbers) return read_numbers(column, row, into);
  column.read_rows(row, dtype_ == DType::kBool ? DType::kUInt8 : dtype_, into);
  if (dtype_ == DType::kBool)
    for (std::byte& value : into) value = value == std::byte{0} ? std::byte{0} : std::byte{1};
}

void FieldReader::read_numbers(const Column& column, std::int64_t row, std::span<std::byte> into) const {
  const Stored stored = column.stored();
  if (stored != Stored::kByte && stored != Stored::kBool) {
    column.read_rows(row, dtype_, into);
    if (normalizer_) normalizer_->apply(into);
    return;
  }
  std::vector<std::byte> bytes(into.size() / sizeof(float));
  column.read_rows(row, DType::kUInt8, bytes);
  if (stored == Stored::kByte) return normalizer_->from_bytes(bytes, into);
  const std::span<float> values(reinterpret_cast<float*>(into.data()), bytes.size());
  std::transform(bytes.begin(), bytes.end(), values.begin(),
                 [](std::byte value) { return value == std::byte{0} ? 0.0f : 1.0f; });
  normalizer_->apply(into);
}

void FieldReader::add_to(Hasher& hasher) const {
  if (normalizer_) normalizer_->add_to(hasher);
}

}  // namespace lockstep
