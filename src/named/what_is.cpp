// SPDX-License-Identifier: Apache-2.0
#include "named/what_is.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/run_layout.h"
#include "checkpoint/catalog.h"
#include "checkpoint/manifest.h"
#include "exchange/formats/foreign_file.h"
#include "lockstep/base/error.h"

namespace lockstep {

namespace {

namespace fs = std::filesystem;

bool is_hdf5(const std::string& path) {
  constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
  std::array<char, kSignature.size()> start{};
  std::ifstream file(path, std::ios::binary);
  file.read(start.data(), start.size());
  return file && std::string_view(start.data(), start.size()) == kSignature;
}

bool has_checkpoints(const fs::path& folder) {
  std::error_code failed;
  for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed))
    if (step_from_name(entry->path().filename().string())) return true;
  return false;
}

std::string newest_in(const std::string& folder) {
  std::string newest;
  for (const CatalogEntry& entry : list_catalog(real_disk(), folder))
    if (entry.kind == EntryKind::kCheckpoint) newest = folder + "/" + entry.name;
  return newest;
}

WhatIs folder_is(const fs::path& folder) {
  std::error_code ignored;
  if (fs::exists(folder / kManifestFile, ignored) || step_of_directory(folder.string()))
    return {PathKind::kCheckpoint, folder.string(), "a checkpoint"};
  if (fs::is_directory(folder / kCheckpointsFolder, ignored))
    return {PathKind::kRun, (folder / kCheckpointsFolder).string(), "a run directory"};
  if (has_checkpoints(folder) || folder.filename() == kCheckpointsFolder)
    return {PathKind::kCheckpoints, folder.string(), "a folder of checkpoints"};
  return {PathKind::kOtherFolder, folder.string(), "a folder with no checkpoint in it"};
}

WhatIs file_is(const fs::path& file) {
  const std::string path = file.string();
  if (file.filename() == kManifestFile)
    return {PathKind::kCheckpoint, file.parent_path().string(), "a checkpoint"};
  if (is_hdf5(path)) return {PathKind::kHdf5, path, "an HDF5 file"};
  if (is_foreign_file(path)) return {PathKind::kForeign, path, "a file of torch.save's or safetensors"};
  return {PathKind::kOtherFile, path, "neither an HDF5 nor a .pth nor a .safetensors file"};
}

}  // namespace

WhatIs what_is(const std::string& path) {
  std::error_code failed;
  const fs::path resolved = fs::canonical(path, failed);
  if (failed && failed != std::errc::no_such_file_or_directory)
    return {PathKind::kOtherFile, path, "not to be opened: " + failed.message()};
  if (failed) return {PathKind::kNothing, path, "nothing"};
  std::error_code ignored;
  if (fs::is_directory(resolved, ignored)) return folder_is(resolved);
  if (fs::is_regular_file(resolved, ignored)) return file_is(resolved);
  return {PathKind::kOtherFile, resolved.string(), "not a regular file"};
}

std::string checkpoint_named(const std::string& path) {
  const WhatIs what = what_is(path);
  const std::string wanted = "Give a checkpoint, a run directory or its ckpt folder";
  switch (what.kind) {
    case PathKind::kCheckpoint:
      return what.place;
    case PathKind::kRun:
    case PathKind::kCheckpoints: {
      const std::string newest = newest_in(what.place);
      if (newest.empty())
        throw Fault(ExitCode::kInputMissing, path + ": " + what.words + " without a checkpoint", wanted);
      return newest;
    }
    case PathKind::kNothing:
      throw Fault(ExitCode::kInputMissing, path + ": nothing is there", wanted);
    default:
      throw Fault(ExitCode::kNoValidCheckpoint, path + ": " + what.words, wanted);
  }
}

}  // namespace lockstep
