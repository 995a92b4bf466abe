// SPDX-License-Identifier: Apache-2.0
#include "data/formats/npy_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "data/formats/npy_dictionary.h"
#include "data/refuse.h"

namespace lockstep {
namespace {

constexpr const char* kRemedy =
    "Save one array of integers: numpy.save(path, tokens.astype(numpy.uint16)); numpy.load tells what is in "
    "it.";

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

TokenLayout npy_layout(const MappedFile& file) {
  const NpyDictionary header = read_npy_header(file.bytes(), file.path(), kRemedy);
  const TokenType type = type_of(file, header.descr);
  const std::uint64_t length = length_of(file, header.shape);
  const std::uint64_t payload = file.bytes().size() - header.values;
  if (payload % size_of(type) != 0 || payload / size_of(type) != length)
    refuse_data_file(file.path(),
                     fmt::format("the NumPy header promises {} values of {} bytes, {} bytes follow", length,
                                 size_of(type), payload),
                     "Save the array again; the file may have been cut off while copied.");
  return {fmt::format("NumPy {}", name_of(type)), type, header.values};
}

}  // namespace lockstep
