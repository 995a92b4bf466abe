// SPDX-License-Identifier: Apache-2.0
#include "data/foreign_file.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string>

namespace lockstep {
namespace {

constexpr std::size_t kLook = 8192;

struct Kind {
  std::string_view mark;  // the first bytes, or the extension
  std::string_view name;
};

constexpr Kind kMagics[] = {
    {{"\x1f\x8b\x08", 3}, "gzip-compressed"},
    {{"PK\x03\x04", 4}, "a zip archive (.zip, .npz, .pt)"},
    {{"PK\x05\x06", 4}, "an empty zip archive"},
    {{"\xfd"
      "7zXZ\0",
      6},
     "xz-compressed"},
    {{"\x28\xb5\x2f\xfd", 4}, "zstd-compressed"},
    {{"BZh", 3}, "bzip2-compressed"},
    {{"\x04\x22\x4d\x18", 4}, "lz4-compressed"},
    {{"7z\xbc\xaf\x27\x1c", 6}, "a 7z archive"},
    {{"Rar!", 4}, "a RAR archive"},
    {{"\x89HDF\r\n\x1a\n", 8}, "an HDF5 file"},
    {{"\x93NUMPY", 6}, "a NumPy array"},
    {{"PAR1", 4}, "a Parquet file"},
    {{"ARROW1", 6}, "an Arrow file"},
    {{"SQLite format 3", 15}, "a SQLite database"},
    {{"MMIDIDX", 7}, "Megatron's index of a .bin file"},
};

constexpr Kind kExtensions[] = {
    {".gz", "gzip-compressed"},     {".tgz", "gzip-compressed"},    {".xz", "xz-compressed"},
    {".bz2", "bzip2-compressed"},   {".zst", "zstd-compressed"},    {".lz4", "lz4-compressed"},
    {".zip", "a zip archive"},      {".7z", "a 7z archive"},        {".rar", "a RAR archive"},
    {".tar", "a tar archive"},      {".npy", "a NumPy array"},      {".npz", "NumPy arrays"},
    {".pt", "of torch.save"},       {".pth", "of torch.save"},      {".pkl", "a pickle"},
    {".pickle", "a pickle"},        {".h5", "an HDF5 file"},        {".hdf5", "an HDF5 file"},
    {".parquet", "a Parquet file"}, {".arrow", "an Arrow file"},    {".safetensors", "a safetensors file"},
    {".idx", "an index"},           {".tfrecord", "of TensorFlow"}, {".mds", "of MosaicML streaming"},
};

std::string_view start_of(const MappedFile& file) {
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kLook)};
}

}  // namespace

std::string_view foreign_kind(const MappedFile& file) {
  const std::string_view start = start_of(file);
  for (const Kind& kind : kMagics)
    if (start.starts_with(kind.mark)) return kind.name;
  std::string extension = std::filesystem::path(file.path()).extension().string();
  for (char& letter : extension) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  for (const Kind& kind : kExtensions)
    if (extension == kind.mark) return kind.name;
  return {};
}

bool looks_like_text(const MappedFile& file) {
  const std::string_view start = start_of(file);
  if (start.size() < 16) return false;
  std::size_t following = 0;  // bytes that belong to a character begun
  for (const char letter : start) {
    const auto byte = static_cast<unsigned char>(letter);
    if (following > 0) {
      if (byte >> 6 != 2) return false;
      --following;
    } else if (byte >= 0x80) {
      if (byte < 0xc2 || byte > 0xf4) return false;
      following = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    } else if (byte == 0x7f ||
               (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r' && byte != '\f')) {
      return false;
    }
  }
  return true;
}

bool looks_binary(const MappedFile& file) {
  return start_of(file).find('\0') != std::string_view::npos;
}

}  // namespace lockstep
