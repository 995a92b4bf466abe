// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/state.h"

namespace lockstep {

// Where one tensor lies.
struct ManifestTensor {
  TensorKey key;
  DType dtype = DType::kFloat32;
  Shape shape;
  std::string file;          // name inside the checkpoint directory
  std::uint64_t offset = 0;  // of its bytes in that file
  Digest digest;
};

struct ManifestFile {
  std::string name;
  std::uint64_t bytes = 0;
  Digest digest;
};

// What a checkpoint holds, with digests: manifest.json. docs/checkpoint-format.md describes the text.
struct Manifest {
  int format = 1;
  TrainRecord record;
  Digest state_hash;
  std::string layout = "consolidated";
  std::vector<ManifestFile> files;
  std::vector<ManifestTensor> tensors;  // sorted by path
  Digest digest;                        // of the text, as its last member says; set by parse_manifest
};

inline constexpr int kNewestFormat = 1;
inline constexpr const char* kManifestFile = "manifest.json";

// The text of manifest.json. It ends with the digest of its own bytes before that member. Throws Fault (78)
// for a name, a value or metadata that JSON cannot hold (not UTF-8).
std::string write_manifest(const Manifest& manifest);

// Throws Fault (65) naming `origin` and what is wrong: not JSON, digest differs, newer format (says which), a
// member missing or out of range, a file name with a slash.
Manifest parse_manifest(const std::string& text, const std::string& origin);

// Bytes of a tensor as the manifest describes it. Never overflows for what parse_manifest let through.
std::uint64_t byte_count(const ManifestTensor& tensor);

// The digest the text ends with; the name pointers call it by. Empty when the text does not end as a manifest
// does.
std::optional<Digest> manifest_digest(const std::string& text);

}  // namespace lockstep
