// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "lockstep/base/hash.h"

namespace lockstep {

// A file of a checkpoint.
struct ManifestFile {
  std::string name;
  std::uint64_t bytes = 0;
  Digest digest;  // of the bytes that belong to no tensor; in format 1 of all bytes
};

}  // namespace lockstep
