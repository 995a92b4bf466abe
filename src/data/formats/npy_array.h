// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/formats/numbers.h"

namespace lockstep {

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
  Stored stored() const override { return stored_as(numbers_); }
  // Throws Fault (66) for a uint64 that int64 does not hold.
  void read_rows(std::int64_t row, DType dtype, std::span<std::byte> into) const override;

 private:
  // Where value `element` of a row is in values_.
  const std::byte* place_of(std::int64_t row, std::int64_t element) const;

  std::string where_;
  StoredNumbers numbers_;
  std::span<const std::byte> values_;
  std::int64_t rows_ = 0;
  std::int64_t row_elements_ = 1;
  Shape row_shape_;
  bool columns_first_ = false;  // Fortran's order
};

}  // namespace lockstep
