// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lockstep/base/dtype.h"

namespace lockstep {

// Shape of a tensor, outermost dimension first; empty for a 0-dim tensor.
using Shape = std::vector<std::int64_t>;

// Product of the dimensions; 1 for a 0-dim tensor. Throws Bug on a negative dimension or on overflow.
std::int64_t element_count(const Shape& shape);

// Bytes of a tensor of that dtype and shape. Throws Bug as element_count(), and when they do not fit 63 bits.
std::uint64_t byte_count(DType dtype, const Shape& shape);

// "[64, 3, 7, 7]", for messages.
std::string shape_text(const Shape& shape);

// Elements of one dtype in memory, on the host or on a device; what collectives work on.
struct MutableSpan {
  void* data = nullptr;
  std::size_t count = 0;
  DType dtype = DType::kFloat32;

  std::size_t bytes() const { return count * size_of(dtype); }
  // Elements [first, first + n).
  MutableSpan slice(std::size_t first, std::size_t n) const {
    return {static_cast<std::byte*>(data) + first * size_of(dtype), n, dtype};
  }
};

struct ConstSpan {
  const void* data = nullptr;
  std::size_t count = 0;
  DType dtype = DType::kFloat32;

  ConstSpan() = default;
  ConstSpan(const void* memory, std::size_t n, DType type) : data(memory), count(n), dtype(type) {}
  ConstSpan(const MutableSpan& other)  // NOLINT(google-explicit-constructor): what one may write one may read
      : data(other.data), count(other.count), dtype(other.dtype) {}
  std::size_t bytes() const { return count * size_of(dtype); }
  ConstSpan slice(std::size_t first, std::size_t n) const {
    return {static_cast<const std::byte*>(data) + first * size_of(dtype), n, dtype};
  }
};

}  // namespace lockstep
