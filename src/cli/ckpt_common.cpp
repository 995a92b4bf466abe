// SPDX-License-Identifier: Apache-2.0
#include "cli/ckpt_common.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "base/folder_owner.h"
#include "base/run_layout.h"
#include "lockstep/base/disk.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "named/find_checkpoint.h"
#include "named/what_is.h"

namespace lockstep {

namespace fs = std::filesystem;

namespace {

std::optional<std::string> run_of(const std::string& folder) {
  const fs::path path(folder);
  std::error_code error;
  if (path.filename() != kCheckpointsFolder || !fs::exists(RunLayout(path.parent_path()).identity(), error))
    return std::nullopt;
  return path.parent_path().string();
}

}  // namespace

std::string CkptTarget::folder() const {
  return is_checkpoint ? fs::path(path).parent_path().string() : path;
}

CkptTarget resolve_ckpt(const std::string& directory) {
  if (const auto checkpoint = checkpoint_of_file(directory)) return {*checkpoint, true};
  std::error_code error;
  const fs::path path = fs::canonical(directory, error);
  const char* const wanted = "Give a run directory, its ckpt folder or a checkpoint";
  if (error) throw Fault(ExitCode::kInputMissing, printable(directory) + ": no such directory", wanted);
  if (!fs::is_directory(path, error))
    throw Fault(ExitCode::kInputMissing,
                printable(directory) + ": no checkpoint, but " + what_is(directory).words,
                std::string(wanted) + "; of a file of weights only lockstep ckpt show tells");
  if (fs::exists(path / kManifestFile, error) || step_of_directory(path.string()))
    return {path.string(), true};
  if (fs::is_directory(path / kCheckpointsFolder, error))
    return {(path / kCheckpointsFolder).string(), false};
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

std::string human_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

void refuse_checkpoints_of_another(const std::string& folder) {
  refuse_folder_of_another(folder);
  if (const auto run = run_of(folder)) refuse_folder_of_another(*run);
}

std::unique_ptr<RunLock> lock_run_of(const std::string& folder) {
  refuse_checkpoints_of_another(folder);
  const auto run = run_of(folder);
  return run ? std::make_unique<RunLock>(*run, "") : nullptr;
}

std::optional<std::string> owner_of_run_of(const std::string& folder) {
  const auto run = run_of(folder);
  return run ? lock_owner(*run) : std::nullopt;
}

std::string pretty(const OrderedJson& json) {
  return json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

}  // namespace lockstep
