// SPDX-License-Identifier: Apache-2.0
#include "exchange/element_difference.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "lockstep/base/error.h"

namespace lockstep {

namespace {

template <class T>
T load(const std::byte* element) {
  T value;
  std::memcpy(&value, element, sizeof value);
  return value;
}

// A small float by its layout. With `finite`, all exponent bits set are numbers too, but for the mantissa of
// all ones (float8_e4m3fn).
struct SmallFloat {
  int exponent_bits;
  int mantissa_bits;
  bool finite = false;
};

double decode(std::uint32_t bits, const SmallFloat& layout) {
  const std::uint32_t mantissa_mask = (1u << layout.mantissa_bits) - 1;
  const std::uint32_t exponent_mask = (1u << layout.exponent_bits) - 1;
  const std::uint32_t mantissa = bits & mantissa_mask;
  const std::uint32_t exponent = (bits >> layout.mantissa_bits) & exponent_mask;
  const double sign = (bits >> (layout.mantissa_bits + layout.exponent_bits)) != 0 ? -1.0 : 1.0;
  const int bias = static_cast<int>(exponent_mask >> 1);
  if (exponent == exponent_mask && (!layout.finite || mantissa == mantissa_mask)) {
    if (layout.finite || mantissa != 0) return std::numeric_limits<double>::quiet_NaN();
    return sign * std::numeric_limits<double>::infinity();
  }
  // Without the implicit one where the exponent is zero.
  const std::uint32_t significand = exponent == 0 ? mantissa : mantissa | (mantissa_mask + 1);
  const int power = (exponent == 0 ? 1 : static_cast<int>(exponent)) - bias - layout.mantissa_bits;
  return sign * std::ldexp(static_cast<double>(significand), power);
}

// Integers are subtracted as integers: their doubles may be equal where they are not.
double distance(DType dtype, const std::byte* first, const std::byte* second) {
  if (dtype == DType::kInt64) {
    const auto a = load<std::int64_t>(first);
    const auto b = load<std::int64_t>(second);
    const std::uint64_t gap = a > b ? static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b)
                                    : static_cast<std::uint64_t>(b) - static_cast<std::uint64_t>(a);
    return static_cast<double>(gap);
  }
  const double a = element_value(dtype, first);
  const double b = element_value(dtype, second);
  return a == b ? 0 : std::abs(a - b);
}

double relative(double distance, double first, double second) {
  const double scale = std::max(std::abs(first), std::abs(second));
  if (distance == 0) return 0;
  return std::isinf(scale) ? std::numeric_limits<double>::infinity() : distance / scale;
}

// NaN is the worst of all.
bool worse(double than, double value) {
  return !std::isnan(than) && (std::isnan(value) || value > than);
}

}  // namespace

double element_value(DType dtype, const std::byte* element) {
  switch (dtype) {
    case DType::kBool:
      return load<std::uint8_t>(element) != 0 ? 1 : 0;
    case DType::kUInt8:
      return load<std::uint8_t>(element);
    case DType::kInt8:
      return load<std::int8_t>(element);
    case DType::kInt16:
      return load<std::int16_t>(element);
    case DType::kInt32:
      return load<std::int32_t>(element);
    case DType::kInt64:
      return static_cast<double>(load<std::int64_t>(element));
    case DType::kFloat16:
      return decode(load<std::uint16_t>(element), {5, 10});
    case DType::kBFloat16:
      return decode(load<std::uint16_t>(element), {8, 7});
    case DType::kFloat32:
      return load<float>(element);
    case DType::kFloat64:
      return load<double>(element);
    case DType::kFloat8E4M3:
      return decode(load<std::uint8_t>(element), {4, 3, true});
    case DType::kFloat8E5M2:
      return decode(load<std::uint8_t>(element), {5, 2});
  }
  return 0;
}

void ElementDifference::compare_element(std::uint64_t index, const std::byte* first,
                                        const std::byte* second) {
  if (std::memcmp(first, second, size_of(dtype_)) == 0) return;
  const double apart = distance(dtype_, first, second);
  // Bits that differ are a difference, also where the values do not: 0 and -0.
  if (!worst_ || worse(max_abs_, apart)) {
    max_abs_ = apart;
    worst_ = index;
  }
  const double share = relative(apart, element_value(dtype_, first), element_value(dtype_, second));
  if (worse(max_rel_, share)) max_rel_ = share;
}

void ElementDifference::compare(std::span<const std::byte> first, std::span<const std::byte> second) {
  const std::size_t size = size_of(dtype_);
  check(first.size() == second.size() && first.size() % size == 0, "whole elements are compared");
  const std::uint64_t count = first.size() / size;
  if (!first.empty() && std::memcmp(first.data(), second.data(), first.size()) != 0)
    for (std::uint64_t i = 0; i < count; ++i)
      compare_element(seen_ + i, first.data() + i * size, second.data() + i * size);
  seen_ += count;
}

}  // namespace lockstep
