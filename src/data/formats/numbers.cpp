// SPDX-License-Identifier: Apache-2.0
#include "data/formats/numbers.h"

#include <bit>
#include <cstring>
#include <type_traits>

#include "base/half.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using Kind = StoredNumbers::Kind;

template <class Value>
Value swapped(Value value) {
  if constexpr (sizeof(Value) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(Value) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(Value) == 8) return __builtin_bswap64(value);
  return value;
}

// Reads each number as `Bits`, in the machine's order, and gives it to `make`.
template <class Bits, class To, class Make>
void convert_each(std::span<const std::byte> bytes, bool swap, std::span<To> into, Make make) {
  for (std::size_t i = 0; i < into.size(); ++i) {
    Bits bits;
    std::memcpy(&bits, bytes.data() + i * sizeof bits, sizeof bits);
    into[i] = static_cast<To>(make(swap ? swapped(bits) : bits));
  }
}

template <class Bits, class To>
void convert_integers(const StoredNumbers& numbers, std::span<const std::byte> bytes, std::span<To> into) {
  const bool swap = numbers.is_big_endian;
  if (numbers.kind == Kind::kBool)
    convert_each<Bits>(bytes, swap, into, [](Bits bits) { return bits != 0; });
  else if (numbers.kind == Kind::kSigned)
    convert_each<Bits>(bytes, swap, into,
                       [](Bits bits) { return static_cast<std::make_signed_t<Bits>>(bits); });
  else
    convert_each<Bits>(bytes, swap, into, [](Bits bits) { return bits; });
}

template <class To>
void convert_floats(const StoredNumbers& numbers, std::span<const std::byte> bytes, std::span<To> into) {
  const bool swap = numbers.is_big_endian;
  if (numbers.kind == Kind::kBFloat)
    convert_each<std::uint16_t>(bytes, swap, into, [](std::uint16_t bits) { return widen(BFloat16{bits}); });
  else if (numbers.bytes == 2)
    convert_each<std::uint16_t>(bytes, swap, into, [](std::uint16_t bits) { return widen(Float16{bits}); });
  else if (numbers.bytes == 4)
    convert_each<std::uint32_t>(bytes, swap, into,
                                [](std::uint32_t bits) { return std::bit_cast<float>(bits); });
  else
    convert_each<std::uint64_t>(bytes, swap, into,
                                [](std::uint64_t bits) { return std::bit_cast<double>(bits); });
}

template <class To>
void convert_all(const StoredNumbers& numbers, std::span<const std::byte> bytes, std::span<To> into) {
  if (numbers.kind == Kind::kFloat || numbers.kind == Kind::kBFloat) {
    if constexpr (std::is_floating_point_v<To>) return convert_floats(numbers, bytes, into);
    throw Bug("floats are read as floats");
  }
  switch (numbers.bytes) {
    case 1:
      return convert_integers<std::uint8_t>(numbers, bytes, into);
    case 2:
      return convert_integers<std::uint16_t>(numbers, bytes, into);
    case 4:
      return convert_integers<std::uint32_t>(numbers, bytes, into);
    default:
      return convert_integers<std::uint64_t>(numbers, bytes, into);
  }
}

template <class To>
std::span<To> as_span_of(std::span<std::byte> bytes) {
  return {reinterpret_cast<To*>(bytes.data()), bytes.size() / sizeof(To)};
}

}  // namespace

Stored stored_as(const StoredNumbers& numbers) {
  switch (numbers.kind) {
    case Kind::kBool:
      return Stored::kBool;
    case Kind::kFloat:
    case Kind::kBFloat:
      return numbers.bytes > 4 ? Stored::kDouble : Stored::kFloat;
    default:
      if (numbers.kind == Kind::kUnsigned && numbers.bytes == 1) return Stored::kByte;
      return numbers.bytes > 2 ? Stored::kWideInteger : Stored::kInteger;
  }
}

bool are_already(const StoredNumbers& numbers, DType dtype) {
  if ((numbers.is_big_endian && numbers.bytes > 1) || numbers.bytes != size_of(dtype)) return false;
  return (numbers.kind == Kind::kFloat && is_floating(dtype)) ||
         (numbers.kind == Kind::kSigned && dtype == DType::kInt64) ||
         (numbers.kind == Kind::kUnsigned && dtype == DType::kUInt8);
}

std::optional<std::uint64_t> convert_numbers(const StoredNumbers& numbers, std::span<const std::byte> bytes,
                                             DType dtype, std::span<std::byte> into) {
  check(bytes.size() / numbers.bytes == into.size() / size_of(dtype), "as many numbers come out as go in");
  switch (dtype) {
    case DType::kUInt8:
      convert_all(numbers, bytes, as_span_of<std::uint8_t>(into));
      break;
    case DType::kInt64: {
      const auto values = as_span_of<std::int64_t>(into);
      convert_all(numbers, bytes, values);
      if (numbers.kind != Kind::kUnsigned || numbers.bytes < 8) break;
      for (const std::int64_t value : values)
        if (value < 0) return static_cast<std::uint64_t>(value);
      break;
    }
    case DType::kFloat64:
      convert_all(numbers, bytes, as_span_of<double>(into));
      break;
    default:
      convert_all(numbers, bytes, as_span_of<float>(into));
  }
  return std::nullopt;
}

}  // namespace lockstep
