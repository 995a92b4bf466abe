// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "lockstep/base/random.h"
#include "lockstep/base/units.h"

namespace lockstep {

// What the generator starts from in micro-batch `index` of `step`: the same on whichever rank computes it,
// and when it is computed once more.
inline std::uint64_t micro_batch_key(std::uint64_t seed, Step step, int index) {
  // Keeps this use of the seed apart from the others (initialisation, sample order).
  constexpr std::uint64_t kDropoutStream = 0x64726f70;
  return mix_key(
      {seed, kDropoutStream, static_cast<std::uint64_t>(step.value), static_cast<std::uint64_t>(index)});
}

}  // namespace lockstep
