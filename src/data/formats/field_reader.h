// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>

#include "data/formats/column.h"
#include "data/normalizer.h"
#include "lockstep/data/dataset.h"
#include "lockstep/data/options.h"

namespace lockstep {

// What the numbers of an array are made into.
enum class FieldUse {
  kNumbers,   // bytes and bools to float32, other integers to floats, or to int64 with integer_inputs
  kAsStored,  // bools, bytes and int64; floats of 32 or 64 bits; data.normalize makes images float32
  kTarget,    // integers to int64, a class; floats stay
};

// How an array becomes a field of samples.
class FieldReader {
 public:
  // For columns that are like `column`; rows are the samples, or are the pieces of samples that vary. Throws
  // Fault (78) for a data.normalize that does not fit.
  FieldReader(const Column& column, FieldUse use, bool varies, const DataOptions& options);

  DType dtype() const { return dtype_; }
  // Of a sample; -1 first where it varies.
  const Shape& shape() const { return shape_; }
  bool is_normalized() const { return normalizes_; }
  // Local. Fills `into` with whole rows from `row` on.
  void read(const Column& column, std::int64_t row, std::span<std::byte> into) const;
  // What data.normalize makes of it is part of what the data is.
  void add_to(Hasher& hasher) const;

 private:
  void read_numbers(const Column& column, std::int64_t row, std::span<std::byte> into) const;

  FieldUse use_;
  DType dtype_ = DType::kFloat32;
  Shape shape_;
  bool normalizes_ = false;
  std::optional<Normalizer> normalizer_;
};

}  // namespace lockstep
