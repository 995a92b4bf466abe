// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/span.h"

#include <fmt/format.h>

#include "lockstep/base/error.h"

namespace lockstep {

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t dimension : shape) {
    check(dimension >= 0, "a dimension is not negative");
    check(!__builtin_mul_overflow(count, dimension, &count), "the number of elements fits 63 bits");
  }
  return count;
}

std::uint64_t byte_count(DType dtype, const Shape& shape) {
  std::int64_t bytes = 0;
  check(!__builtin_mul_overflow(element_count(shape), static_cast<std::int64_t>(size_of(dtype)), &bytes),
        "the bytes of a tensor fit 63 bits");
  return static_cast<std::uint64_t>(bytes);
}

std::string shape_text(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace lockstep
