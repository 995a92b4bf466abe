// SPDX-License-Identifier: Apache-2.0
#include "comm/reduce_elements.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "base/half.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

// Note [a symmetric reduction]: in a recursive-doubling all-reduce two ranks combine the same pair of values
// in opposite order. They end with the same bits only if op(a, b) and op(b, a) have the same bits, which min
// and max of NaN and of -0 and +0 do not by themselves.
template <class T>
T combine(ReduceOp op, T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    // Signed overflow is undefined, and one rank's overflow must not become anybody's crash.
    using Wrapping = std::make_unsigned_t<T>;
    if (op == ReduceOp::kSum) return static_cast<T>(static_cast<Wrapping>(a) + static_cast<Wrapping>(b));
    return (op == ReduceOp::kMin) == (a < b) ? a : b;
  } else {
    if (op == ReduceOp::kSum) return a + b;
    if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
    if (a == b) return std::signbit(a) == (op == ReduceOp::kMin) ? a : b;
    return (op == ReduceOp::kMin) == (a < b) ? a : b;
  }
}

BFloat16 combine(ReduceOp op, BFloat16 a, BFloat16 b) {
  return to_bfloat16(combine(op, widen(a), widen(b)));
}
Float16 combine(ReduceOp op, Float16 a, Float16 b) {
  return to_float16(combine(op, widen(a), widen(b)));
}

template <class T>
void reduce_as(ReduceOp op, ConstSpan from, void* into) {
  const T* source = static_cast<const T*>(from.data);
  T* target = static_cast<T*>(into);
  for (std::size_t i = 0; i < from.count; ++i) target[i] = combine(op, source[i], target[i]);
}

}  // namespace

void reduce_elements(ReduceOp op, ConstSpan from, void* into) {
  switch (from.dtype) {
    case DType::kUInt8:
      return reduce_as<std::uint8_t>(op, from, into);
    case DType::kInt8:
      return reduce_as<std::int8_t>(op, from, into);
    case DType::kInt16:
      return reduce_as<std::int16_t>(op, from, into);
    case DType::kInt32:
      return reduce_as<std::int32_t>(op, from, into);
    case DType::kInt64:
      return reduce_as<std::int64_t>(op, from, into);
    case DType::kFloat16:
      return reduce_as<Float16>(op, from, into);
    case DType::kBFloat16:
      return reduce_as<BFloat16>(op, from, into);
    case DType::kFloat32:
      return reduce_as<float>(op, from, into);
    case DType::kFloat64:
      return reduce_as<double>(op, from, into);
    case DType::kBool:
    case DType::kFloat8E4M3:
    case DType::kFloat8E5M2:
      break;
  }
  check(false, "a reduced dtype is neither bool nor fp8");
}

}  // namespace lockstep
