// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <hdf5.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace lockstep::testing {

// Writes small HDF5 files the way a user's script would; every failing call throws.
class Hdf5Writer {
 public:
  explicit Hdf5Writer(const std::string& path, bool newest_format = true) {
    // As the reader does: the exit handler loops over what damaged files leave behind.
    (void)H5dont_atexit();
    const hid_t access = must(H5Pcreate(H5P_FILE_ACCESS));
    if (newest_format) must(H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110));
    file_ = must(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access));
    H5Pclose(access);
  }
  ~Hdf5Writer() { H5Fclose(file_); }
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;

  hid_t file() const { return file_; }

  // `creation` may chunk, compress or go elsewhere; `values` null writes nothing.
  void add(const std::string& name, const std::vector<hsize_t>& dims, hid_t type, const void* values,
           hid_t creation = H5P_DEFAULT) {
    const hid_t space = must(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr));
    const hid_t data = must(H5Dcreate2(file_, name.c_str(), type, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    if (values != nullptr) must(H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values));
    H5Dclose(data);
    H5Sclose(space);
  }

  template <class Result>
  static Result must(Result result) {
    if (result < 0) throw std::runtime_error("an HDF5 call of the test failed");
    return result;
  }

 private:
  hid_t file_;
};

inline hid_t chunked(const std::vector<hsize_t>& chunk, bool compressed) {
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(creation, static_cast<int>(chunk.size()), chunk.data());
  if (compressed) H5Pset_deflate(creation, 4);
  return creation;
}

}  // namespace lockstep::testing
