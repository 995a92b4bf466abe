// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lockstep/base/dtype.h"
#include "lockstep/base/span.h"

namespace lockstep {

// What the numbers of an array of training data are in its file.
enum class Stored {
  kFloat,        // up to 4 bytes
  kDouble,       // 8 bytes
  kByte,         // uint8
  kBool,         // NumPy's and h5py's
  kInteger,      // other integers of up to 2 bytes: a float32 holds each of them
  kWideInteger,  // up to 8 bytes
};

// One array of a file of training data, whose rows are samples.
class Column {
 public:
  virtual ~Column() = default;

  // Length of the first dimension, at least 1, and the other dimensions.
  virtual std::int64_t rows() const = 0;
  virtual const Shape& row_shape() const = 0;
  virtual Stored stored() const = 0;
  // Local. Fills `into` from `row` on, whole rows, as uint8, int64, float32 or float64; from any thread.
  // Throws Fault (66) for values that cannot be read.
  virtual void read_rows(std::int64_t row, DType dtype, std::span<std::byte> into) const = 0;
};

// A file of named arrays.
class ColumnFile {
 public:
  virtual ~ColumnFile() = default;

  // Of all arrays, in the file's order; empty where the format's are only ever named by the config.
  virtual std::vector<std::string> names() const = 0;
  // Local. Throws Fault (66), naming file and array, for one that is missing, damaged or of another kind. The
  // column must not outlive the file.
  virtual std::unique_ptr<Column> column(const std::string& name) const = 0;
};

}  // namespace lockstep
