// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
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
};

// The text of manifest.json. It ends with the digest of its own bytes before that member.
std::string write_manifest(const Manifest& manifest);

// Throws Fault (65) naming `origin` and what is wrong: not JSON, digest differs, newer format (says which), a member missing or out of
// range, a file name with a slash.
Manifest parse_manifest(const std::string& text, const std::string& origin);

}  // namespace lockstep
