// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "checkpoint/file_writer.h"

namespace lockstep {

// A file that should be on the disk now.
struct ExpectedFile {
  const FileContents& contents;
  const Hdf5Layout& layout;
  const WrittenFile& written;
};

// Local. Reads a file that was just written from the disk itself (Disk::open_direct), on `readers` threads,
// and compares its length, its metadata and all digests. Throws Fault (74) that names the tensor.
void verify_written(Disk& disk, const std::string& path, const ExpectedFile& expected, int readers);

// Local. The same for a file of bytes that are at hand.
void verify_bytes(Disk& disk, const std::string& path, std::span<const std::byte> expected);

}  // namespace lockstep
