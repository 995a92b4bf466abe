// SPDX-License-Identifier: Apache-2.0
#include "base/half.h"

#include <bit>
#include <cmath>

namespace lockstep {

float widen(BFloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

BFloat16 to_bfloat16(float value) {
  if (std::isnan(value)) return {0x7fc0};
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t ties_to_even = 0x7fff + ((bits >> 16) & 1);
  return {static_cast<std::uint16_t>((bits + ties_to_even) >> 16)};
}

float widen(Float16 value) {
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x8000) << 16;
  const std::uint32_t magnitude = value.bits & 0x7fff;
  if (magnitude >= 0x7c00) {  // infinity and NaN keep an exponent of all ones
    return std::bit_cast<float>(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  }
  // Shifted into place the exponent is 112 too small; the multiplication also normalises subnormals, exactly.
  const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(scaled));
}

Float16 to_float16(float value) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return {0x7e00};
  if (magnitude >= 65520.0f) return {static_cast<std::uint16_t>(sign | 0x7c00)};
  std::uint32_t half;
  if (magnitude < 0x1p-14f) {
    // Adding 0.5 lines the last bit of a float up with 2^-24, the subnormal step, so the addition itself
    // rounds.
    half = std::bit_cast<std::uint32_t>(magnitude + 0.5f) - std::bit_cast<std::uint32_t>(0.5f);
  } else {
    const auto bits = std::bit_cast<std::uint32_t>(magnitude) - (112u << 23);
    half = (bits + 0xfff + ((bits >> 13) & 1)) >> 13;
  }
  return {static_cast<std::uint16_t>(sign | half)};
}

}  // namespace lockstep
