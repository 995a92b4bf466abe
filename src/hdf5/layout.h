// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "lockstep/base/span.h"
#include "lockstep/base/tensor_spec.h"

namespace lockstep {

// One attribute; text is stored as a fixed-length UTF-8 string.
struct Hdf5Attribute {
  std::string name;
  std::variant<std::int64_t, std::uint64_t, double, std::string> value;
};

// One group and its attributes. `path` is absolute ("/optimizer/exp_avg"); parents come before children; "/"
// is always there.
struct Hdf5Group {
  std::string path;
  std::vector<Hdf5Attribute> attributes;
};

// A second path of a dataset: both lead to the same bytes.
struct Hdf5HardLink {
  std::string path;
  std::string target;  // path of a dataset

  bool operator==(const Hdf5HardLink&) const = default;
};

// What a file is to hold.
struct Hdf5Plan {
  std::vector<Hdf5Group> groups;
  // Contiguous; a name is a path whose last part has gone through encode_link().
  std::vector<TensorSpec> datasets;
  std::vector<Hdf5HardLink> links = {};
};

// Bytes of the file that belong to no dataset.
struct Hdf5MetadataRun {
  std::uint64_t offset = 0;
  std::vector<std::byte> bytes;
};

// Where everything lies in a file that stock HDF5 reads, once the datasets' bytes are put at their offsets.
struct Hdf5Layout {
  std::uint64_t file_bytes = 0;
  std::vector<std::uint64_t> offsets;  // of each dataset of the plan; 0 for one without elements
  std::vector<Hdf5MetadataRun>
      metadata;  // in file order; with the datasets they cover the file without overlap
};

// Local. Note [layout in memory]: HDF5 issues no fsync, and crashes at exit when the disk fills up. So it
// lays the file out in a memory file whose payload is never written (holes cost nothing), and our own code
// writes the bytes. Equal plans give equal bytes: no times are stored. Datasets of 64 KiB and more start on
// 4096 bytes. Throws Fault (74).
Hdf5Layout lay_out(const Hdf5Plan& plan);

}  // namespace lockstep
