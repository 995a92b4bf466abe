// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/base/span.h"

namespace lockstep {

// Where one tensor of a weights file lies.
struct Hdf5Placement {
  std::string name;  // decoded
  DType dtype = DType::kFloat32;
  Shape shape;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

// The /model group of a file, and the attributes of it that we write.
struct Hdf5ModelGroup {
  std::vector<Hdf5Placement> tensors;  // sorted by name
  std::optional<std::int64_t> step;
  std::string digests;  // JSON text; empty in files of others
};

// An open file to be read through HDF5: the descriptor pins the file, so that what HDF5 lists is what is read
// afterwards.
struct Hdf5Source {
  int descriptor = -1;
  std::uint64_t bytes = 0;
  std::string path;  // for messages only
};

// Local. Lists /model of a file that may be hostile, without reading or allocating payload. Throws Fault (65)
// for anything but contiguous little-endian datasets directly under /model whose bytes lie inside the file:
// no external storage, no soft or external links, no filters, no user block, at most 250 000 tensors.
Hdf5ModelGroup list_model_group(const Hdf5Source& source);

}  // namespace lockstep
