// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hdf5/chunk_store.h"
#include "hdf5/table_header.h"

namespace lockstep {

// A file of training data in memory; it may be hostile. Its bytes outlive what is read from it.
struct Hdf5Bytes {
  std::span<const std::byte> bytes;
  std::string path;              // for messages
  std::uint64_t user_block = 0;  // bytes in front that are left out
  // Of chunks that were unpacked, shared by what is read together.
  std::shared_ptr<Hdf5ChunkCache> cache = nullptr;
};

// Local. The file from its first byte of HDF5 on: MATLAB puts a block of its own in front. Throws
// Fault (65) for what is no HDF5 file.
Hdf5Bytes without_user_block(const Hdf5Bytes& file);

// One dataset of an HDF5 file, read row by row without the HDF5 library (Note [own HDF5 reader]). Only what
// lies inside the file itself is read, and a shape that the file cannot hold is refused.
class Hdf5Table {
 public:
  // Throws Fault (65) naming file and dataset.
  Hdf5Table(const Hdf5Bytes& file, const std::string& name);

  // Length of the first dimension, at least 1.
  std::int64_t rows() const { return header_.extent.shape[0]; }
  // The other dimensions.
  const Shape& row_shape() const { return row_shape_; }
  const Hdf5TypeInfo& type() const { return header_.type; }
  // Fills `into` from `row` on, whole rows, as they are stored; from several threads. Chunks that were never
  // written have the dataset's fill value. Throws Fault (65) for a damaged chunk.
  void read_rows(std::int64_t row, std::span<std::byte> into) const;

 private:
  void check_shape();
  void find_values(const Hdf5Bytes& file);
  void find_chunks(const Hdf5MetadataFile& metadata, const Hdf5Bytes& file);
  [[noreturn]] void refuse(const std::string& found) const;

  std::string path_;
  std::string where_;  // "dataset /x"
  Hdf5TableHeader header_;
  Shape row_shape_;
  std::uint64_t row_bytes_ = 0;
  std::span<const std::byte> values_;  // of all rows, where they lie together
  std::optional<Hdf5ChunkStore> chunks_;
};

}  // namespace lockstep
