// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "lockstep/base/disk.h"

namespace lockstep {

// What the end of an archive says: where its directory lies and how much it lists.
struct ZipEnd {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0;
  std::uint64_t record = 0;  // the end record begins here, and the directory ends
};

// Local. Of a zip or zip64 archive. Throws Fault (65) for one that is truncated, of several volumes, whose
// two end records differ, or whose directory does not end where the record begins.
ZipEnd read_zip_end(const ReadableFile& file, const std::string& origin);

}  // namespace lockstep
