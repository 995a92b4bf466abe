// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/base/disk.h"
#include "lockstep/base/span.h"
#include "lockstep/base/tensor_spec.h"

namespace lockstep {

// A tensor of a weights file, its name decoded.
struct Hdf5Placement : TensorSpec {
  std::uint64_t offset = 0;  // 0 for one without elements
};

// The /model group of a file, and the attributes of it that we write.
struct Hdf5ModelGroup {
  std::vector<Hdf5Placement> tensors;  // sorted by name
  std::optional<std::int64_t> step;
  std::string digests;  // JSON text; empty in files of others
};

// Local. Lists /model of a file that may be hostile (Note [own HDF5 reader]), without reading or allocating
// payload; `path` is for messages only. Throws Fault (65) for anything but contiguous little-endian datasets
// directly under /model whose bytes lie inside the file: no external storage, no soft or external links, no
// filters, no user block, at most 250 000 tensors.
Hdf5ModelGroup list_model_group(const ReadableFile& file, const std::string& path);

}  // namespace lockstep
