// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "comm/agree.h"

namespace lockstep {

// What one message says of all ranks.
struct LargestAlike {
  std::int64_t largest = 0;  // of the values
  bool alike = true;         // all ranks hold the same fingerprint
};

// Collective. agree_max() of `value`, and beside it, in the same message, whether the fingerprints are equal.
Agreed<LargestAlike> agree_alike(World& world, std::int64_t value, std::uint64_t fingerprint);

}  // namespace lockstep
