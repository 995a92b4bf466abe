// SPDX-License-Identifier: Apache-2.0
#include "data/formats/npy_array.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "data/formats/npy_dictionary.h"
#include "data/refuse.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

constexpr const char* kRemedy =
    "Save plain arrays of numbers or bools: np.savez(path, x=x, y=y); np.load(path) tells what is in it.";
constexpr std::size_t kMostDimensions = 32;
constexpr std::uint64_t kMostElements = std::uint64_t{1} << 60;

NpyNumbers numbers_of(std::string_view descr, const std::string& where) {
  const auto refuse = [&](std::string_view found, std::string_view remedy) {
    refuse_data_file(where, found, remedy);
  };
  const std::string shown = printable(descr.substr(0, 60));
  if (descr.starts_with("'|O"))
    refuse("holds Python objects, and reading those would run code of the file",
           "Save samples of unequal length as one array of all their values and one of lengths, or padded.");
  const bool simple = descr.size() == 5 && descr.front() == '\'' && descr.back() == '\'';
  const char order = simple ? descr[1] : 0;
  const char kind = simple ? descr[2] : 0;
  const std::size_t bytes =
      simple && descr[3] >= '1' && descr[3] <= '9' ? static_cast<std::size_t>(descr[3] - '0') : 0;
  const std::string_view kinds = "biuf";
  const bool width =
      kind == 'b' ? bytes == 1 : bytes == 8 || bytes == 4 || bytes == 2 || (bytes == 1 && kind != 'f');
  if (!simple || kinds.find(kind) == std::string_view::npos || !width ||
      (order != '<' && order != '>' && order != '|') || (order == '|' && bytes != 1))
    refuse(fmt::format("is of dtype {}, expected bools, integers or floats of up to 8 bytes", shown),
           kRemedy);
  using Kind = NpyNumbers::Kind;
  return {kind == 'b'   ? Kind::kBool
          : kind == 'u' ? Kind::kUnsigned
          : kind == 'i' ? Kind::kSigned
                        : Kind::kFloat,
          bytes, order == '>'};
}

// "(3, 4)" to {3, 4}; empty text or another shape is no shape.
bool read_shape(std::string_view text, Shape& shape) {
  if (text.size() < 2 || text.front() != '(' || text.back() != ')') return false;
  text = text.substr(1, text.size() - 2);
  while (!text.empty()) {
    const std::string_view number = text.substr(0, text.find(','));
    if (number.empty() || shape.size() == kMostDimensions) return false;
    std::uint64_t value = 0;
    for (const char digit : number) {
      if (digit < '0' || digit > '9' || value > kMostElements) return false;
      value = value * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    shape.push_back(static_cast<std::int64_t>(value));
    text.remove_prefix(std::min(text.size(), number.size() + 1));
    while (text.starts_with(' ')) text.remove_prefix(1);
  }
  return true;
}

std::uint64_t elements_of(const Shape& shape) {
  std::uint64_t product = 1;
  for (const std::int64_t dimension : shape)
    if (__builtin_mul_overflow(product, static_cast<std::uint64_t>(dimension), &product) ||
        product > kMostElements)
      return kMostElements;
  return product;
}

std::uint64_t bits_at(const std::byte* at, const NpyNumbers& numbers) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < numbers.bytes; ++i) {
    const std::size_t byte = numbers.is_big_endian ? i : numbers.bytes - 1 - i;
    bits = bits << 8 | std::to_integer<std::uint64_t>(at[byte]);
  }
  return bits;
}

double half_of(std::uint64_t bits) {
  const auto exponent = static_cast<int>(bits >> 10 & 0x1f);
  const auto fraction = static_cast<double>(bits & 0x3ff);
  double value = exponent == 0    ? std::ldexp(fraction, -24)
                 : exponent == 31 ? (fraction == 0 ? HUGE_VAL : std::nan(""))
                                  : std::ldexp(fraction + 1024, exponent - 25);
  return (bits & 0x8000) != 0 ? -value : value;
}

double float_of(std::uint64_t bits, std::size_t bytes) {
  if (bytes == 2) return half_of(bits);
  if (bytes == 4) return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  return std::bit_cast<double>(bits);
}

std::int64_t signed_of(std::uint64_t bits, std::size_t bytes) {
  const auto unused = static_cast<int>(8 * (8 - bytes));
  return static_cast<std::int64_t>(bits << unused) >> unused;
}

}  // namespace

NpyArray::NpyArray(std::span<const std::byte> bytes, std::string where) : where_(std::move(where)) {
  if (!is_npy(bytes)) refuse_data_file(where_, "is no NumPy array", kRemedy);
  const NpyDictionary header = read_npy_header(bytes, where_, kRemedy);
  numbers_ = numbers_of(header.descr, where_);
  columns_first_ = header.order == "True";
  Shape shape;
  if (!read_shape(header.shape, shape) || (!columns_first_ && header.order != "False"))
    refuse_data_file(where_,
                     fmt::format("has a damaged header (shape {})", printable(header.shape.substr(0, 60))),
                     kRemedy);
  if (shape.empty())
    refuse_data_file(where_, "is a single value without dimensions; the first one is the samples",
                     "Name the arrays of samples in data.fields, and leave this one out.");
  const std::uint64_t elements = elements_of(shape);
  if (elements == 0)
    refuse_data_file(where_, fmt::format("is {} and holds no element", shape_text(shape)), kRemedy);
  values_ = bytes.subspan(header.values);
  if (elements >= kMostElements || elements * numbers_.bytes != values_.size())
    refuse_data_file(where_,
                     fmt::format("claims {} values of {} bytes, {} bytes follow", shape_text(shape),
                                 numbers_.bytes, values_.size()),
                     "Save it again; the file may have been cut off while copied.");
  rows_ = shape[0];
  row_shape_.assign(shape.begin() + 1, shape.end());
  row_elements_ = element_count(row_shape_);
}

Stored NpyArray::stored() const {
  using Kind = NpyNumbers::Kind;
  if (numbers_.kind == Kind::kBool) return Stored::kBool;
  if (numbers_.kind == Kind::kFloat) return numbers_.bytes > 4 ? Stored::kDouble : Stored::kFloat;
  if (numbers_.kind == Kind::kUnsigned && numbers_.bytes == 1) return Stored::kByte;
  return numbers_.bytes > 2 ? Stored::kWideInteger : Stored::kInteger;
}

const std::byte* NpyArray::place_of(std::int64_t row, std::int64_t element) const {
  std::int64_t at = row * row_elements_ + element;
  if (columns_first_) {
    // The first dimension is next to itself, the last is the slowest.
    at = 0;
    for (std::size_t i = row_shape_.size(); i-- > 0;) {
      std::int64_t stride = rows_;
      for (std::size_t before = 0; before < i; ++before) stride *= row_shape_[before];
      at += element % row_shape_[i] * stride;
      element /= row_shape_[i];
    }
    at += row;
  }
  return values_.data() + static_cast<std::size_t>(at) * numbers_.bytes;
}

template <class To>
void NpyArray::convert(std::int64_t row, std::span<To> into) const {
  using Kind = NpyNumbers::Kind;
  for (std::size_t i = 0; i < into.size(); ++i) {
    const auto element = static_cast<std::int64_t>(i);
    const std::uint64_t bits =
        bits_at(place_of(row + element / row_elements_, element % row_elements_), numbers_);
    if (numbers_.kind == Kind::kFloat) {
      into[i] = static_cast<To>(float_of(bits, numbers_.bytes));
    } else if (numbers_.kind == Kind::kSigned) {
      into[i] = static_cast<To>(signed_of(bits, numbers_.bytes));
    } else {
      if (bits >> 63 != 0 && std::is_same_v<To, std::int64_t>)
        refuse_data_file(where_, fmt::format("row {} holds {}, more than int64 does", row, bits), kRemedy);
      into[i] = numbers_.kind == Kind::kBool ? static_cast<To>(bits != 0) : static_cast<To>(bits);
    }
  }
}

void NpyArray::read_rows(std::int64_t row, DType dtype, std::span<std::byte> into) const {
  const std::size_t row_bytes = static_cast<std::size_t>(row_elements_) * size_of(dtype);
  check(row >= 0 && into.size() % row_bytes == 0 &&
            static_cast<std::int64_t>(into.size() / row_bytes) <= rows_ - row,
        "rows are read whole");
  using Kind = NpyNumbers::Kind;
  const bool as_is = !numbers_.is_big_endian && !columns_first_ && numbers_.bytes == size_of(dtype) &&
                     ((numbers_.kind == Kind::kFloat && is_floating(dtype)) ||
                      (numbers_.kind == Kind::kSigned && dtype == DType::kInt64) ||
                      (numbers_.kind == Kind::kUnsigned && dtype == DType::kUInt8));
  if (as_is) {
    std::memcpy(into.data(), place_of(row, 0), into.size());
    return;
  }
  const std::size_t count = into.size() / size_of(dtype);
  switch (dtype) {
    case DType::kUInt8:
      return convert<std::uint8_t>(row, {reinterpret_cast<std::uint8_t*>(into.data()), count});
    case DType::kInt64:
      return convert<std::int64_t>(row, {reinterpret_cast<std::int64_t*>(into.data()), count});
    case DType::kFloat64:
      return convert<double>(row, {reinterpret_cast<double*>(into.data()), count});
    default:
      return convert<float>(row, {reinterpret_cast<float*>(into.data()), count});
  }
}

}  // namespace lockstep
