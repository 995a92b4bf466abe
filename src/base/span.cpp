// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/span.h"

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

}  // namespace lockstep
