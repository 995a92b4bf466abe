// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lockstep/base/disk.h"

namespace lockstep {

// One stored file of an archive.
struct ZipEntry {
  std::string name;
  std::uint64_t offset = 0;  // of its bytes
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;  // 0: not recorded (torch.save can be told so)
};

// Local. The directory of a zip or zip64 archive whose entries are stored, not compressed, in the order of
// their bytes. A file that could be read in two ways is refused with Fault (65): local headers that say
// another thing than the directory, entries that overlap or lie in it, names that occur twice, encryption,
// compression, several volumes, sizes beyond the file. Names are data, never paths.
std::vector<ZipEntry> read_zip_directory(const ReadableFile& file, const std::string& origin);

}  // namespace lockstep
