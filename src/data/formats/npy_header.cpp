// SPDX-License-Identifier: Apache-2.0
#include "data/formats/npy_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "data/refuse.h"

namespace lockstep {
namespace {

constexpr std::string_view kMagic{"\x93NUMPY", 6};
constexpr const char* kRemedy =
    "Save one array of integers: numpy.save(path, tokens.astype(numpy.uint16)); numpy.load tells what is in "
    "it.";

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
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

Header header_of(const MappedFile& file) {
  const std::string_view bytes = text_of(file);
  const int version = bytes.size() > 6 ? static_cast<unsigned char>(bytes[6]) : 0;
  if (version < 1 || version > 3)
    refuse_data_file(file.path(), fmt::format("NumPy's format version {}, expected 1 to 3", version),
                     kRemedy);
  const std::size_t start = version == 1 ? 10 : 12;
  const std::size_t length = bytes.size() < start ? 0 : little_endian(bytes.substr(8, start - 8));
  if (bytes.size() < start || length > bytes.size() - start)
    refuse_data_file(file.path(), fmt::format("{} bytes, less than its NumPy header", bytes.size()), kRemedy);
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

TokenType type_of(const MappedFile& file, std::string_view descr) {
  constexpr std::pair<std::string_view, TokenType> kTypes[] = {
      {"'|u1'", TokenType::kUInt8},  {"'<u2'", TokenType::kUInt16}, {"'<u4'", TokenType::kUInt32},
      {"'<u8'", TokenType::kUInt64}, {"'|i1'", TokenType::kInt8},   {"'<i2'", TokenType::kInt16},
      {"'<i4'", TokenType::kInt32},  {"'<i8'", TokenType::kInt64}};
  for (const auto& [name, type] : kTypes)
    if (descr == name) return type;
  const bool big = descr.starts_with("'>");
  refuse_data_file(
      file.path(),
      fmt::format("a NumPy array of dtype {}, expected little-endian integers", descr.substr(0, 40)),
      big ? "Save it with the other byte order: tokens.astype(tokens.dtype.newbyteorder('<'))." : kRemedy);
}

// "(5,)" to 5.
std::uint64_t length_of(const MappedFile& file, std::string_view shape) {
  std::uint64_t length = 0;
  bool sound = shape.size() > 3 && shape.starts_with('(') && shape.ends_with(",)");
  for (const char digit : sound ? shape.substr(1, shape.size() - 3) : std::string_view{}) {
    sound = sound && digit >= '0' && digit <= '9' && length < (std::uint64_t{1} << 58);
    if (sound) length = length * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  if (!sound)
    refuse_data_file(file.path(),
                     fmt::format("a NumPy array of shape {}, expected one dimension", shape.substr(0, 80)),
                     "Save the tokens as one row: tokens.reshape(-1).");
  return length;
}

}  // namespace

bool is_npy(const MappedFile& file) {
  return text_of(file).starts_with(kMagic);
}

TokenLayout npy_layout(const MappedFile& file) {
  const Header header = header_of(file);
  const TokenType type = type_of(file, value_of(header.dictionary, "descr"));
  const std::uint64_t length = length_of(file, value_of(header.dictionary, "shape"));
  const std::uint64_t payload = file.bytes().size() - header.end;
  if (payload % size_of(type) != 0 || payload / size_of(type) != length)
    refuse_data_file(file.path(),
                     fmt::format("the NumPy header promises {} values of {} bytes, {} bytes follow", length,
                                 size_of(type), payload),
                     "Save the array again; the file may have been cut off while copied.");
  return {fmt::format("NumPy {}", name_of(type)), type, header.end};
}

}  // namespace lockstep
