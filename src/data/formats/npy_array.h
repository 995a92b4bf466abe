// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/formats/column.h"

namespace lockstep {

// What numbers of a NumPy array are, one by one.
struct NpyNumbers {
  enum class Kind { kBool, kUnsigned, kSigned, kFloat };
  Kind kind = Kind::kFloat;
  std::size_t bytes = 4;
  bool is_big_endian = false;
};

// An array as numpy.save writes it, of numbers or bools: either byte order, rows or columns first. It does
// not own its bytes.
class NpyArray : public Column {
 public:
  // `where` is the array's name for messages, such as "train.npz: array x". Throws Fault (66) for arrays of
  // anything else, above all of Python objects, whose reading would run code; without a dimension or an
  // element; and where header and length do not fit.
  NpyArray(std::span<const std::byte> bytes, std::string where);

  std::int64_t rows() const override { return rows_; }
  const Shape& row_shape() const override { return row_shape_; }
  Stored stored() const override;
  // Throws Fault (66) for a uint64 that int64 does not hold.
  void read_rows(std::int64_t row, DType dtype, std::span<std::byte> into) const override;

 private:
  // Where value `element` of a row is in values_.
  const std::byte* place_of(std::int64_t row, std::int64_t element) const;
  template <class To>
  void convert(std::int64_t row, std::span<To> into) const;

  std::string where_;
  NpyNumbers numbers_;
  std::span<const std::byte> values_;
  std::int64_t rows_ = 0;
  std::int64_t row_elements_ = 1;
  Shape row_shape_;
  bool columns_first_ = false;  // Fortran's order
};

}  // namespace lockstep
