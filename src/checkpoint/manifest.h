// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/manifest_file.h"
#include "checkpoint/state.h"

namespace lockstep {

inline constexpr int kNewestFormat = 3;
inline constexpr const char* kManifestFile = "manifest.json";
inline constexpr const char* kConsolidated = "consolidated";  // one file, written by rank 0
inline constexpr const char* kSharded = "sharded";            // a file a rank, and an index over them

// Rows of a tensor that lie together in one file.
struct ManifestPiece {
  std::string file;          // name inside the checkpoint directory
  std::uint64_t offset = 0;  // of its bytes in that file
  std::int64_t first_row = 0;
  std::int64_t rows = 1;  // of dimension 0; 1 of a 0-dim tensor
  Digest digest;          // of these rows as a tensor of their own
};

// Where one tensor lies.
struct ManifestTensor : StateSpec {
  Digest digest;
  std::vector<ManifestPiece> pieces;  // in the order of their rows; one when it is whole

  bool split() const { return pieces.size() > 1; }
};

// What a checkpoint holds, with digests: manifest.json. docs/checkpoint-format.md describes the text.
struct Manifest {
  int format = kNewestFormat;
  TrainRecord record;
  Digest state_hash;
  std::string layout = kConsolidated;
  std::vector<ManifestFile> files;
  std::vector<ManifestTensor> tensors;  // sorted by path
  Digest digest;                        // of the text, as its last member says; set by parse_manifest
};

// The text of manifest.json. It ends with the digest of its own bytes before that member. Throws Fault (78)
// for a name, a value or metadata that JSON cannot hold (not UTF-8).
std::string write_manifest(const Manifest& manifest);

// Throws Fault (65) naming `origin` and what is wrong: not JSON, digest differs, newer format (says which), a
// member missing or out of range, a file name with a slash.
Manifest parse_manifest(const std::string& text, const std::string& origin);

// Of the piece alone. Never overflows for what parse_manifest let through.
std::uint64_t byte_count(const ManifestTensor& tensor, const ManifestPiece& piece);

// The digest the text ends with; the name pointers call it by. Empty when the text does not end as a manifest
// does.
std::optional<Digest> manifest_digest(const std::string& text);

}  // namespace lockstep
