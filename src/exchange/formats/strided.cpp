// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/strided.h"

#include <algorithm>
#include <cstring>

#include "lockstep/base/error.h"

namespace lockstep {

namespace {

constexpr std::uint64_t kMost = std::uint64_t{1} << 62;

// a * b, empty when above kMost.
std::optional<std::uint64_t> product(std::uint64_t a, std::uint64_t b) {
  if (b != 0 && a > kMost / b) return std::nullopt;
  return a * b;
}

}  // namespace

std::optional<std::uint64_t> extent_of(const Strided& layout) {
  std::uint64_t count = 1;
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < layout.shape.size(); ++i) {
    const auto dimension = static_cast<std::uint64_t>(std::max<std::int64_t>(layout.shape[i], 1));
    const auto steps = product(dimension - 1, static_cast<std::uint64_t>(layout.stride[i]));
    const auto elements = product(count, dimension);
    if (!steps || !elements || *steps > kMost - last) return std::nullopt;
    last += *steps;
    count = *elements;
  }
  const bool empty = std::find(layout.shape.begin(), layout.shape.end(), 0) != layout.shape.end();
  return empty ? 0 : last + 1;
}

bool is_contiguous(const Strided& layout) {
  std::int64_t expected = 1;
  for (std::size_t i = layout.shape.size(); i-- > 0;) {
    if (layout.shape[i] != 1 && layout.stride[i] != expected) return false;
    expected *= layout.shape[i];
  }
  return true;
}

void gather(const Strided& layout, std::span<const std::byte> from, std::span<std::byte> into) {
  const std::size_t element = layout.element_bytes;
  const std::size_t dimensions = layout.shape.size();
  Shape index(dimensions, 0);
  std::uint64_t at = 0;
  for (std::size_t out = 0; out < into.size(); out += element) {
    std::memcpy(into.data() + out, from.data() + at * element, element);
    // The next index in row-major order, and what it adds to the place.
    for (std::size_t d = dimensions; d-- > 0;) {
      at += static_cast<std::uint64_t>(layout.stride[d]);
      if (++index[d] < layout.shape[d]) break;
      at -= static_cast<std::uint64_t>(layout.stride[d]) * static_cast<std::uint64_t>(layout.shape[d]);
      index[d] = 0;
    }
  }
  check(at == 0, "a gather ends where it began");
}

}  // namespace lockstep
