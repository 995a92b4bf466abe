// SPDX-License-Identifier: Apache-2.0
#include "data/formats/npy_array.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

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

StoredNumbers numbers_of(std::string_view descr, const std::string& where) {
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
  using Kind = StoredNumbers::Kind;
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

void NpyArray::read_rows(std::int64_t row, DType dtype, std::span<std::byte> into) const {
  const std::size_t row_bytes = static_cast<std::size_t>(row_elements_) * size_of(dtype);
  check(row >= 0 && into.size() % row_bytes == 0 &&
            static_cast<std::int64_t>(into.size() / row_bytes) <= rows_ - row,
        "rows are read whole");
  const std::size_t count = into.size() / size_of(dtype);
  std::span<const std::byte> bytes(place_of(row, 0), columns_first_ ? 0 : count * numbers_.bytes);
  std::vector<std::byte> gathered;
  if (columns_first_) {
    gathered.resize(count * numbers_.bytes);
    for (std::size_t i = 0; i < count; ++i) {
      const auto element = static_cast<std::int64_t>(i);
      std::memcpy(gathered.data() + i * numbers_.bytes,
                  place_of(row + element / row_elements_, element % row_elements_), numbers_.bytes);
    }
    bytes = gathered;
  }
  if (are_already(numbers_, dtype)) {
    std::ranges::copy(bytes, into.begin());
  } else if (const auto over = convert_numbers(numbers_, bytes, dtype, into)) {
    refuse_data_file(where_, fmt::format("row {} holds {}, more than int64 does", row, *over), kRemedy);
  }
}

}  // namespace lockstep
