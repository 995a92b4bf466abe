// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lockstep/base/disk.h"

namespace lockstep {

// One file of an archive.
struct ZipEntry {
  std::string name;
  std::uint64_t offset = 0;  // of its bytes in the archive, `packed` of them
  std::uint64_t packed = 0;
  std::uint64_t bytes = 0;  // of the file
  std::uint32_t crc = 0;    // 0: not recorded (torch.save can be told so)
  bool deflated = false;    // else stored as it is
};

// Whether compressed entries are read.
enum class ZipEntries { kStored, kStoredOrDeflated };

// Local. The directory of a zip or zip64 archive, its entries in the order of their bytes. A file that could
// be read in two ways is refused with Fault (65): local headers that say another thing than the directory,
// entries that overlap or lie in it, names that occur twice, encryption, compression (other than deflate,
// where that is wanted), several volumes, sizes beyond the file or beyond what deflate can make of its bytes.
// Names are data, never paths.
std::vector<ZipEntry> read_zip_directory(const ReadableFile& file, const std::string& origin,
                                         ZipEntries entries = ZipEntries::kStored);

}  // namespace lockstep
