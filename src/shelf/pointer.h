// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "lockstep/base/disk.h"
#include "lockstep/base/hash.h"
#include "shelf/generation.h"

namespace lockstep {

// What `latest` and `best` say: a directory name and the digest of its manifest, "step-00001200 <32 hex
// digits>\n".
struct CheckpointPointer {
  std::string directory;
  Digest manifest;

  bool operator==(const CheckpointPointer&) const = default;
};

// Local. Replaces the pointer file atomically and durably; nothing is written when it says so already. Throws
// Fault (74).
void write_pointer(Disk& disk, const std::string& path, const CheckpointPointer& pointer);
// The same, made in `generation`.
void write_pointer(Disk& disk, const Generation& generation, const std::string& path,
                   const CheckpointPointer& pointer);

// Local. Removes the pointer, where there is one. Throws Fault (74, 77).
void remove_pointer(Disk& disk, const Generation& generation, const std::string& path);

// Local. Empty when there is no such file or it is not exactly what write_pointer makes; a hint, never the
// truth (the folder is).
std::optional<CheckpointPointer> read_pointer(Disk& disk, const std::string& path);

// Local. Why the pointer `name` of a folder of checkpoints says nothing: it is damaged, or names what is not
// there or another manifest. Empty when there is no such file, when it is right, or only stale.
std::string why_no_pointer(Disk& disk, const std::string& folder, const std::string& name);

}  // namespace lockstep
