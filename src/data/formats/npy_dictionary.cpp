// SPDX-License-Identifier: Apache-2.0
#include "data/formats/npy_dictionary.h"

#include <fmt/format.h>

#include <cstdint>

#include "data/refuse.h"

namespace lockstep {
namespace {

constexpr std::string_view kMagic{"\x93NUMPY", 6};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t number = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

// The Python dictionary between magic and values, and where the values start.
struct Header {
  std::string_view dictionary;
  std::size_t end = 0;
};

Header header_of(std::string_view bytes, const std::string& path, std::string_view remedy) {
  const int version = bytes.size() > 6 ? static_cast<unsigned char>(bytes[6]) : 0;
  if (version < 1 || version > 3)
    refuse_data_file(path, fmt::format("NumPy's format version {}, expected 1 to 3", version), remedy);
  const std::size_t start = version == 1 ? 10 : 12;
  const std::size_t length = bytes.size() < start ? 0 : little_endian(bytes.substr(8, start - 8));
  if (bytes.size() < start || length > bytes.size() - start)
    refuse_data_file(path, fmt::format("{} bytes, less than its NumPy header", bytes.size()), remedy);
  return {bytes.substr(start, length), start + length};
}

// What follows "'key':" up to the comma outside of parentheses, without blanks at its ends.
std::string_view value_of(std::string_view dictionary, std::string_view key) {
  const std::size_t at = dictionary.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) return {};
  std::string_view rest = dictionary.substr(at + key.size() + 3);
  int depth = 0;
  std::size_t end = 0;
  for (; end < rest.size(); ++end) {
    const char letter = rest[end];
    if (letter == '(' || letter == '[') ++depth;
    if (letter == ')' || letter == ']') --depth;
    if (depth <= 0 && (letter == ',' || letter == '}')) break;
  }
  rest = rest.substr(0, end);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  while (rest.ends_with(' ')) rest.remove_suffix(1);
  return rest;
}

}  // namespace

bool is_npy(std::span<const std::byte> bytes) {
  return text_of(bytes).starts_with(kMagic);
}

NpyDictionary read_npy_header(std::span<const std::byte> bytes, const std::string& path,
                              std::string_view remedy) {
  const Header header = header_of(text_of(bytes), path, remedy);
  return {value_of(header.dictionary, "descr"), value_of(header.dictionary, "fortran_order"),
          value_of(header.dictionary, "shape"), header.end};
}

}  // namespace lockstep
