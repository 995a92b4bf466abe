// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "hdf5/layout.h"

namespace lockstep {

// Rows of a dataset that lie in another file, under the same path.
struct Hdf5IndexPart {
  std::string file;  // relative to the index
  std::int64_t rows = 0;
};

// A dataset that lies in other files: in one part as it is there, or cut in dimension 0.
struct Hdf5IndexEntry {
  TensorSpec dataset;
  std::vector<Hdf5IndexPart> parts;  // in the order of their rows
};

// Local. The bytes of a file that shows the entries as datasets of its own: one of one part is an external
// link, which fails to open when its file is missing; one of several is a virtual dataset, whose missing rows
// read as NaN. So only floats may have several parts: Bug otherwise. Equal arguments give equal bytes. Throws
// Fault (74).
std::vector<std::byte> lay_out_index(const std::vector<Hdf5Group>& groups,
                                     const std::vector<Hdf5IndexEntry>& entries);

}  // namespace lockstep
