// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lockstep {

// The two 16-bit floating types as bits; no compiler of our range has both as types. Widening is exact,
// narrowing rounds to nearest, ties to even, as PyTorch and NCCL do; NaN becomes the one quiet NaN of the
// type.
struct BFloat16 {
  std::uint16_t bits;
};
struct Float16 {
  std::uint16_t bits;
};

float widen(BFloat16 value);
float widen(Float16 value);
BFloat16 to_bfloat16(float value);
Float16 to_float16(float value);

}  // namespace lockstep
