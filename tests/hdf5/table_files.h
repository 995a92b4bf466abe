// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <hdf5.h>

#include <functional>
#include <numeric>
#include <ostream>
#include <string>
#include <vector>

#include "data/hdf5_files.h"
#include "hdf5/table.h"
#include "support/temp_dir.h"

namespace lockstep::testing {

// A way a dataset of 20 x 6 int32 may be kept.
struct TableForm {
  const char* name;
  bool newest;                  // which indexes the library may use
  std::vector<hsize_t> chunk;   // empty: contiguous
  std::vector<hsize_t> most{};  // empty: as long as it is
  bool early = false;           // chunks have their place before they are written
};

inline void PrintTo(const TableForm& form, std::ostream* out) {
  *out << form.name;
}

// Each index of chunks there is, and the two storages without.
inline std::vector<TableForm> table_forms() {
  return {{"OldTree", false, {4, 4}},
          {"OldTreeThatGrows", false, {7, 6}, {H5S_UNLIMITED, H5S_UNLIMITED}},
          {"OldContiguous", false, {}},
          {"Contiguous", true, {}},
          {"Single", true, {20, 6}},
          {"Implicit", true, {3, 4}, {}, true},
          {"FixedArray", true, {3, 4}},
          {"FixedArrayThatGrows", true, {3, 4}, {30, 12}},
          {"ExtensibleArray", true, {3, 4}, {H5S_UNLIMITED, 6}},
          {"ExtensibleArrayOfColumns", true, {3, 1}, {20, H5S_UNLIMITED}},
          {"Tree", true, {3, 4}, {H5S_UNLIMITED, H5S_UNLIMITED}}};
}

inline constexpr hsize_t kRows = 20;
inline constexpr hsize_t kColumns = 6;

inline std::vector<std::int32_t> table_values() {
  std::vector<std::int32_t> values(kRows * kColumns);
  std::iota(values.begin(), values.end(), 1000);
  return values;
}

// Gives `make` a creation list for that form, and writes the values as "x" with what it then is.
inline void write_table(const std::string& path, const TableForm& form,
                        const std::function<void(hid_t creation)>& make) {
  Hdf5Writer writer(path, form.newest);
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  if (!form.chunk.empty()) H5Pset_chunk(creation, 2, form.chunk.data());
  if (form.early) H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
  make(creation);
  const hsize_t dims[] = {kRows, kColumns};
  const hid_t space = H5Screate_simple(2, dims, form.most.empty() ? nullptr : form.most.data());
  const hid_t data = Hdf5Writer::must(
      H5Dcreate2(writer.file(), "x", H5T_STD_I32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
  const std::vector<std::int32_t> values = table_values();
  Hdf5Writer::must(H5Dwrite(data, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  H5Dclose(data);
  H5Sclose(space);
  H5Pclose(creation);
}

inline Hdf5Bytes bytes_of(const std::string& file) {
  return {std::as_bytes(std::span(file)), "a.h5", 0, std::make_shared<Hdf5ChunkCache>(1u << 20)};
}

// All rows, `at_once` of them in each read.
template <class Value>
std::vector<Value> read_all(const Hdf5Table& table, std::int64_t at_once = 1) {
  std::size_t row = 1;
  for (const std::int64_t dimension : table.row_shape()) row *= static_cast<std::size_t>(dimension);
  std::vector<Value> values(row * static_cast<std::size_t>(table.rows()));
  for (std::int64_t first = 0; first < table.rows(); first += at_once) {
    const auto count = static_cast<std::size_t>(std::min(at_once, table.rows() - first)) * row;
    table.read_rows(first, std::as_writable_bytes(
                               std::span(values).subspan(static_cast<std::size_t>(first) * row, count)));
  }
  return values;
}

}  // namespace lockstep::testing
