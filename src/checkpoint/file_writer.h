// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "checkpoint/written_file.h"
#include "hdf5/layout.h"
#include "hdf5/layout_cache.h"
#include "lockstep/base/disk.h"

namespace lockstep {

// How files are written.
struct FileWriting {
  int writers = 3;                 // threads of one file; one more makes the digests
  bool verify = false;             // read everything back from the disk before it counts
  LayoutCache* layouts = nullptr;  // of the files written before; somebody else's
};

// What a file is to hold; somebody else's.
struct FileContents {
  const Hdf5Plan& plan;
  std::span<const std::span<const std::byte>> payload;  // the bytes of the plan's datasets, in its order
  std::span<const std::vector<Digest>> leaves = {};     // of each, where they are known; else made on the way
};

// Local. Lays the plan out and writes metadata and payload to a new file, then syncs and closes it. Note
// [write pass]: the file is cut in blocks, which the writers take in turns, and nothing keeps them from the
// disk: the digests, where they are not known, are made by a thread of its own meanwhile. Where the disk
// allows it (Disk::create_direct) large tensors go out from their own memory; everything else is copied once,
// through a block. Throws Fault (74); what was written until then stays, as a file nobody may use.
WrittenFile write_hdf5_file(Disk& disk, const std::string& path, const FileContents& contents,
                            const FileWriting& writing);

}  // namespace lockstep
