// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/formats/column.h"

namespace lockstep {

// Local. The arrays of a file that numpy.savez or savez_compressed wrote; names are what they were saved
// under. Stored arrays are read where they are in `bytes`, which must outlive the result; compressed ones are
// unpacked into memory when a column is asked for. Throws Fault (66) for what is no such archive, for one
// that could be read in two ways, and for an entry that is no array.
std::unique_ptr<ColumnFile> open_npz(std::span<const std::byte> bytes, const std::string& path);

}  // namespace lockstep
