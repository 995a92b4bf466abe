// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/tensor_spec.h"

#include <fmt/format.h>

#include "lockstep/base/span.h"

namespace lockstep {

std::uint64_t byte_count(const TensorType& type) {
  return byte_count(type.dtype, type.shape);
}

std::string type_text(const TensorType& type) {
  return fmt::format("{} {}", shape_text(type.shape), name_of(type.dtype));
}

std::string type_difference(const TypeSide& one, const TypeSide& other) {
  if (one.type.shape != other.type.shape)
    return fmt::format("shape {} {}, {} {}", shape_text(one.type.shape), one.where,
                       shape_text(other.type.shape), other.where);
  if (one.type.dtype != other.type.dtype)
    return fmt::format("dtype {} {}, {} {}", name_of(one.type.dtype), one.where, name_of(other.type.dtype),
                       other.where);
  return "";
}

}  // namespace lockstep
