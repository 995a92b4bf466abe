// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "lockstep/base/span.h"

namespace lockstep {

// How the elements of a tensor lie in memory.
struct Strided {
  Shape shape;
  Shape stride;  // in elements, each at least 0
  std::size_t element_bytes = 1;
};

// Elements from the first to behind the last one; 0 for a tensor without elements. Empty when that number, or
// the count of elements, does not fit 62 bits.
std::optional<std::uint64_t> extent_of(const Strided& layout);

// Row-major, without gaps?
bool is_contiguous(const Strided& layout);

// Gathers a tensor out of `from`, which holds its extent, into row-major order.
void gather(const Strided& layout, std::span<const std::byte> from, std::span<std::byte> into);

}  // namespace lockstep
