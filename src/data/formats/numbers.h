// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "data/formats/column.h"

namespace lockstep {

// What the numbers of an array are, one by one.
struct StoredNumbers {
  enum class Kind { kBool, kUnsigned, kSigned, kFloat, kBFloat };
  Kind kind = Kind::kFloat;
  std::size_t bytes = 4;  // 1, 2, 4 or 8; a float has at least 2
  bool is_big_endian = false;
};

Stored stored_as(const StoredNumbers& numbers);

// Whether they are in memory what `dtype` is.
bool are_already(const StoredNumbers& numbers, DType dtype);

// Local. Fills `into` with as many numbers from `bytes`, as uint8, int64, float32 or float64. Returns the
// first number that int64 does not hold, if there is one.
std::optional<std::uint64_t> convert_numbers(const StoredNumbers& numbers, std::span<const std::byte> bytes,
                                             DType dtype, std::span<std::byte> into);

}  // namespace lockstep
