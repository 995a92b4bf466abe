// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/foreign_file.h"

#include <array>
#include <filesystem>

#include "exchange/formats/safetensors_file.h"
#include "exchange/formats/torch_file.h"
#include "exchange/formats/torch_types.h"
#include "lockstep/base/error.h"
#include "untrusted/refusal.h"

namespace lockstep {

namespace {

namespace fs = std::filesystem;

// Links in a path the user gives are the user's own; Disk follows none at its end.
std::shared_ptr<const ReadableFile> open_resolved(const std::string& path) {
  std::error_code ignored;
  const fs::path resolved = fs::canonical(path, ignored);
  return real_disk().open(ignored ? path : resolved.string());
}

std::vector<std::byte> beginning_of(const ReadableFile& file) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), 512)));
  file.read_at(0, bytes);
  return bytes;
}

bool is_tar(std::span<const std::byte> beginning) {
  constexpr std::array kMark = {std::byte{'u'}, std::byte{'s'}, std::byte{'t'}, std::byte{'a'},
                                std::byte{'r'}};
  return beginning.size() > 262 && std::equal(kMark.begin(), kMark.end(), beginning.begin() + 257);
}

// Other JSON (a journal, a config) is not one: only an index has this member, near its beginning or after
// its metadata.
bool is_index(const ReadableFile& file, std::span<const std::byte> beginning) {
  if (beginning.empty() || beginning[0] != std::byte{'{'}) return false;
  constexpr std::uint64_t kLooked = 64 * 1024;
  std::string text(static_cast<std::size_t>(std::min(file.size(), kLooked)), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text)));
  return text.find("\"weight_map\"") != std::string::npos;
}

enum class Format { kNone, kTorch, kSafetensors, kShardedSafetensors };

// By its first bytes.
Format format_of(const ReadableFile& file) {
  const std::vector<std::byte> start = beginning_of(file);
  if (is_torch_file(start) || is_tar(start)) return Format::kTorch;
  if (is_safetensors(start, file.size())) return Format::kSafetensors;
  return is_index(file, start) ? Format::kShardedSafetensors : Format::kNone;
}

// Null for a file of another format.
std::unique_ptr<ForeignFile> read_foreign(const std::shared_ptr<const ReadableFile>& file,
                                          const std::string& path) {
  switch (format_of(*file)) {
    case Format::kTorch:
      return open_torch_file(file, path);
    case Format::kSafetensors:
      return open_safetensors(file, path);
    case Format::kShardedSafetensors:
      return open_sharded_safetensors(*file, path, [folder = fs::path(path).parent_path()](const auto& name) {
        return open_resolved((folder / name).string());
      });
    case Format::kNone:
      break;
  }
  return nullptr;
}

}  // namespace

DType readable_dtype(const TensorRef& tensor, const std::string& name) {
  const auto dtype = dtype_from_name(tensor.dtype);
  if (!tensor.obstacle.empty())
    refuse_bytes("tensor " + name, tensor.obstacle + ", which Lockstep does not apply",
                 "Save it in Python as plain values: tensor.resolve_conj().resolve_neg().clone()");
  if (!dtype)
    refuse_bytes("tensor " + name, "dtype " + tensor.dtype + " is not one Lockstep has",
                 "Leave it out, or convert it in Python");
  return *dtype;
}

std::uint64_t byte_count(const TensorRef& tensor) {
  return static_cast<std::uint64_t>(element_count(tensor.shape)) * *torch_element_size(tensor.dtype);
}

bool is_foreign_file(const std::string& path) {
  try {
    return format_of(*open_resolved(path)) != Format::kNone;
  } catch (const Fault&) {
    return false;
  }
}

std::unique_ptr<ForeignFile> open_if_foreign(const std::string& path) {
  std::shared_ptr<const ReadableFile> file;
  try {
    file = open_resolved(path);
  } catch (const Fault&) {
    return nullptr;
  }
  return read_foreign(file, path);
}

std::unique_ptr<ForeignFile> open_foreign_file(const std::string& path) {
  auto foreign = read_foreign(open_resolved(path), path);
  if (foreign == nullptr) refuse_bytes(path, "neither a .pth nor a .safetensors file");
  return foreign;
}

}  // namespace lockstep
