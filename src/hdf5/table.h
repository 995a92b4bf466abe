// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "hdf5/data_handle.h"
#include "hdf5/stored.h"
#include "lockstep/base/dtype.h"
#include "lockstep/base/span.h"

namespace lockstep::hdf5 {

// Opens `path` read-only, without the file lock that a writer elsewhere may hold. Throws Fault (66).
File open_file(const std::string& path);

// Where a table is: for messages, and for checking what the file claims against its length.
struct TablePlace {
  std::string path;
  std::string name;
  std::uint64_t file_bytes = 0;
};

// One dataset of an HDF5 file, read row by row. Only what lies inside the file itself is read: soft and
// external links, external and virtual storage and filters from plugins are refused, and so is a shape whose
// storage the file does not hold.
class Table {
 public:
  // Throws Fault (66) naming file and dataset.
  Table(const File& file, TablePlace place);

  // Length of the first dimension, at least 1.
  std::int64_t rows() const { return rows_; }
  // The other dimensions.
  const Shape& row_shape() const { return row_shape_; }
  Stored stored() const { return stored_; }
  // Fills `into` from `row` on, whole rows. Converts to uint8, int64, float32 or float64. Safe from several
  // threads (the library has one lock for all). Throws Fault (66) when the library cannot read.
  void read_rows(std::int64_t row, DType dtype, std::span<std::byte> into) const;

 private:
  // Each throws Fault (66) for what it refuses; called in this order by the constructor.
  void read_type();
  void read_shape();
  void check_storage(const Properties& creation) const;
  void check_chunks(const Properties& creation) const;
  void check_filters(const Properties& creation) const;
  std::uint64_t row_elements() const;
  [[noreturn]] void refuse(const std::string& found) const;

  TablePlace place_;
  Data data_;
  std::size_t stored_size_ = 0;  // bytes of an element in the file
  Stored stored_ = Stored::kFloat;
  std::int64_t rows_ = 0;
  Shape row_shape_;
};

}  // namespace lockstep::hdf5
