// SPDX-License-Identifier: Apache-2.0
#include "shelf/tags.h"

#include <algorithm>

#include "checkpoint/catalog.h"
#include "checkpoint/manifest.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {

namespace {

constexpr std::size_t kLongestName = 64;

std::string tags_folder(const std::string& folder) {
  return folder + "/tags";
}

}  // namespace

bool is_tag_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  // ".part" is what an interrupted write leaves.
  return !name.empty() && name.size() <= kLongestName && name.front() != '.' && !name.ends_with(".part") &&
         std::all_of(name.begin(), name.end(), allowed);
}

std::vector<CheckpointTag> list_tags(Disk& disk, const std::string& folder) {
  std::vector<CheckpointTag> tags;
  const auto info = disk.info(tags_folder(folder));
  if (!info || !info->is_directory) return tags;
  for (const std::string& name : disk.list(tags_folder(folder)))
    if (is_tag_name(name)) tags.push_back({name, read_pointer(disk, tags_folder(folder) + "/" + name)});
  return tags;
}

void write_tag(Disk& disk, const std::string& folder, const std::string& name,
               const CheckpointPointer& target) {
  check(is_tag_name(name), "a tag's name is a safe file name");
  if (!disk.info(tags_folder(folder))) {
    disk.make_directory(tags_folder(folder));
    disk.sync_directory(folder);
  }
  write_pointer(disk, tags_folder(folder) + "/" + name, target);
}

bool remove_tag(Disk& disk, const std::string& folder, const std::string& name) {
  const std::string path = tags_folder(folder) + "/" + name;
  if (!is_tag_name(name) || !disk.info(path)) return false;
  disk.remove(path);
  disk.sync_directory(tags_folder(folder));
  return true;
}

std::optional<Digest> manifest_in(Disk& disk, const std::string& directory) try {
  const std::string path = directory + "/" + kManifestFile;
  if (!disk.info(path)) return std::nullopt;
  return manifest_digest(read_text(disk, path));
} catch (const Fault&) {
  // Unreadable: nobody can say what it is.
  return std::nullopt;
}

TaggedSteps tagged_steps(Disk& disk, const std::string& folder) {
  TaggedSteps tagged;
  if (fault_requested("guard.skip_tags")) return tagged;
  for (const CheckpointTag& tag : list_tags(disk, folder)) {
    if (!tag.target) {
      tagged.damaged.push_back(tag.name);
      continue;
    }
    // Another checkpoint of the same step is not what was tagged.
    if (manifest_in(disk, folder + "/" + tag.target->directory) == tag.target->manifest)
      tagged.steps.insert(*step_from_name(tag.target->directory));
  }
  return tagged;
}

std::optional<std::string> directory_of(Disk& disk, const std::string& folder, const CheckpointTag& tag) {
  const auto step = tag.target ? step_from_name(tag.target->directory) : std::nullopt;
  if (!step) return std::nullopt;
  for (const CatalogEntry& entry : list_catalog(disk, folder)) {
    const bool ours = entry.kind == EntryKind::kCheckpoint || entry.kind == EntryKind::kLeft ||
                      entry.kind == EntryKind::kBad;
    if (ours && entry.step == *step && manifest_in(disk, folder + "/" + entry.name) == tag.target->manifest)
      return entry.name;
  }
  return std::nullopt;
}

}  // namespace lockstep
