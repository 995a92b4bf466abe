// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "base/half.h"
#include "lockstep/base/dtype.h"
#include "lockstep/comm/communicator.h"

namespace lockstep {

using Bytes = std::vector<std::byte>;

constexpr std::array kAllDTypes{DType::kBool,    DType::kUInt8,   DType::kInt8,       DType::kInt16,
                                DType::kInt32,   DType::kInt64,   DType::kFloat16,    DType::kBFloat16,
                                DType::kFloat32, DType::kFloat64, DType::kFloat8E4M3, DType::kFloat8E5M2};
constexpr std::array kAllOps{ReduceOp::kSum, ReduceOp::kMin, ReduceOp::kMax};

// What rank `rank` brings at place `i`: small, so that sums over ranks are exact in every type, and different
// between ranks.
inline int suite_value(int rank, std::size_t i) {
  return static_cast<int>((3 * rank + 7 * i + i / 5) % 5);
}

inline int suite_reduced(ReduceOp op, int ranks, std::size_t i) {
  int result = suite_value(0, i);
  for (int r = 1; r < ranks; ++r) {
    const int value = suite_value(r, i);
    if (op == ReduceOp::kSum) result += value;
    if (op == ReduceOp::kMin) result = value < result ? value : result;
    if (op == ReduceOp::kMax) result = value > result ? value : result;
  }
  return result;
}

template <class T>
void append_value(Bytes& bytes, T value) {
  const auto* first = reinterpret_cast<const std::byte*>(&value);
  bytes.insert(bytes.end(), first, first + sizeof value);
}

// The bytes of `value` as one element; bool and fp8, which nobody computes with here, as that byte.
inline void append_as(Bytes& bytes, DType dtype, double value) {
  switch (dtype) {
    case DType::kInt16:
      return append_value(bytes, static_cast<std::int16_t>(value));
    case DType::kInt32:
      return append_value(bytes, static_cast<std::int32_t>(value));
    case DType::kInt64:
      return append_value(bytes, static_cast<std::int64_t>(value));
    case DType::kFloat16:
      return append_value(bytes, to_float16(static_cast<float>(value)));
    case DType::kBFloat16:
      return append_value(bytes, to_bfloat16(static_cast<float>(value)));
    case DType::kFloat32:
      return append_value(bytes, static_cast<float>(value));
    case DType::kFloat64:
      return append_value(bytes, value);
    case DType::kBool:
      return append_value(bytes, static_cast<std::uint8_t>(value > 1));
    default:
      return append_value(bytes, static_cast<std::uint8_t>(value));
  }
}

// `count` elements; element i is value(i).
inline Bytes suite_bytes(DType dtype, std::size_t count, const std::function<double(std::size_t)>& value) {
  Bytes bytes;
  bytes.reserve(count * size_of(dtype));
  for (std::size_t i = 0; i < count; ++i) append_as(bytes, dtype, value(i));
  return bytes;
}

template <class T>
std::vector<T> values_of(const Bytes& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

}  // namespace lockstep
