// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "data/formats/token_file.h"
#include "data/mapped_file.h"

namespace lockstep {

// Local. The layout of a NumPy array of integers with one dimension (format versions 1 to 3, little-endian).
// Throws Fault (66) for other arrays, and where the header does not fit the file's length.
TokenLayout npy_layout(const MappedFile& file);

}  // namespace lockstep
