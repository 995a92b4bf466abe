// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "hdf5/filters.h"
#include "hdf5/messages.h"
#include "hdf5/storage.h"

namespace lockstep {

inline constexpr const char* kTableRemedy =
    "Look at the file with h5ls -r; write plain datasets (contiguous or chunked) into one file.";

// What the header of a dataset of training data says, each part by itself sound.
struct Hdf5TableHeader {
  Hdf5TypeInfo type;  // integers, floats or bools of 1, 2, 4 or 8 bytes
  Hdf5Extent extent;  // at least one dimension, and an element in each
  Hdf5Storage storage;
  Hdf5Filters filters;
  std::vector<std::byte> fill;  // an element that was never written
};

// Which dataset: its path, such as "/train/x", and how messages call it. `user_block` as root_group_of() has.
struct Hdf5TableName {
  std::string path;
  std::string where;
  std::uint64_t user_block = 0;
};

// Local. Finds the dataset by hard links alone: others can lead to another file, or nowhere. Throws Fault
// (65) naming it for what is no such thing, and for one whose values are not in this file.
Hdf5TableHeader read_table_header(const Hdf5MetadataFile& file, const Hdf5TableName& name);

}  // namespace lockstep
