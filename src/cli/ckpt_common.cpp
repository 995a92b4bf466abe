// SPDX-License-Identifier: Apache-2.0
#include "cli/ckpt_common.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "lockstep/base/disk.h"
#include "lockstep/base/error.h"

namespace lockstep {

namespace fs = std::filesystem;

std::string CkptTarget::folder() const {
  return is_checkpoint ? fs::path(path).parent_path().string() : path;
}

CkptTarget resolve_ckpt(const std::string& directory) {
  std::error_code error;
  const fs::path path = fs::canonical(directory, error);
  if (error || !fs::is_directory(path, error))
    throw Fault(ExitCode::kInputMissing, directory + ": no such directory",
                "Give a run directory, its ckpt folder or a checkpoint");
  if (fs::exists(path / kManifestFile, error) || step_of_directory(path.string()))
    return {path.string(), true};
  if (fs::is_directory(path / "ckpt", error)) return {(path / "ckpt").string(), false};
  return {path.string(), false};
}

std::vector<CatalogEntry> checkpoints_in(const std::string& folder) {
  std::vector<CatalogEntry> entries = list_catalog(real_disk(), folder);
  std::erase_if(entries, [](const auto& e) {
    return e.kind == EntryKind::kForeign || e.kind == EntryKind::kUnfinished;
  });
  return entries;
}

std::string one_checkpoint(const CkptTarget& target) {
  if (target.is_checkpoint) return target.path;
  std::string newest;
  for (const CatalogEntry& entry : checkpoints_in(target.path))
    if (entry.kind == EntryKind::kCheckpoint) newest = target.path + "/" + entry.name;
  if (newest.empty()) throw Fault(ExitCode::kInputMissing, target.path + ": no checkpoint in it");
  return newest;
}

std::uint64_t total_bytes(const Manifest& manifest) {
  std::uint64_t bytes = 0;
  for (const ManifestFile& file : manifest.files) bytes += file.bytes;
  return bytes;
}

std::string shape_text(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

std::string pretty(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lockstep
