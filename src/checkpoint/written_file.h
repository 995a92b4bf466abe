// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "lockstep/base/hash.h"

namespace lockstep {

// A dataset as it was written.
struct WrittenDataset {
  std::uint64_t offset = 0;  // 0 for one without elements
  std::vector<Digest> leaves;
};

// A file as it was written.
struct WrittenFile {
  std::uint64_t bytes = 0;
  Digest digest;  // of the bytes that belong to no dataset, in file order
  std::vector<WrittenDataset> datasets;
};

}  // namespace lockstep
