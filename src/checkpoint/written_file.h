// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/manifest_file.h"

namespace lockstep {

// A dataset as it was written.
struct WrittenDataset {
  std::uint64_t offset = 0;  // 0 for one without elements
  std::vector<Digest> leaves;
};

// A file as it was written.
struct WrittenFile : ManifestFile {
  std::vector<WrittenDataset> datasets;  // those of its plan, in that order; of a shard its pieces
};

// For the way to rank 0. decode_file() throws Bug for anything encode_file() does not make.
std::string encode_file(const WrittenFile& file);
WrittenFile decode_file(std::string_view text);

}  // namespace lockstep
