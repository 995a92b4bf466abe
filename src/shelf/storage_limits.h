// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "shelf/probe_folder.h"
#include "shelf/storage_finding.h"

namespace lockstep {

// Bytes that no run does without.
inline constexpr std::uint64_t kLeastRoom = 1u << 20;

// How much a file system has room for, as it says itself and as a run needs it. Local. `place` is made, and
// "1" a file in it; both outlive this. Throws Fault as the disk does.
class StorageLimits {
 public:
  StorageLimits(Disk& disk, const ProbeFolder& place) : disk_(disk), place_(place) {}

  StorageFinding names() const;
  StorageFinding space() const;
  StorageFinding inodes() const;
  StorageFinding file_size() const;

 private:
  Disk& disk_;
  const ProbeFolder& place_;
};

}  // namespace lockstep
