// SPDX-License-Identifier: Apache-2.0
#include "shelf/pointer.h"

#include "checkpoint/catalog.h"
#include "checkpoint/reader.h"
#include "lockstep/base/error.h"

namespace lockstep {

namespace {

constexpr std::uint64_t kMaxPointer = 4096;

std::string text_of(const CheckpointPointer& pointer) {
  return pointer.directory + " " + pointer.manifest.hex() + "\n";
}

}  // namespace

void write_pointer(Disk& disk, const std::string& path, const CheckpointPointer& pointer) {
  // A save that found its step committed already costs no write.
  if (read_pointer(disk, path) == pointer) return;
  replace_text(disk, path, text_of(pointer));
}

void write_pointer(Disk& disk, const Generation& generation, const std::string& path,
                   const CheckpointPointer& pointer) {
  if (read_pointer(disk, path) == pointer) return;
  generation.replace(path, text_of(pointer));
}

std::optional<CheckpointPointer> read_pointer(Disk& disk, const std::string& path) try {
  if (!disk.info(path)) return std::nullopt;
  const std::string text = read_text(disk, path, kMaxPointer);
  const std::size_t space = text.find(' ');
  if (space == std::string::npos || text.size() != space + 34) return std::nullopt;
  const auto digest = Digest::from_hex(std::string_view(text).substr(space + 1, 32));
  if (!digest || !step_from_name(text.substr(0, space))) return std::nullopt;
  const CheckpointPointer pointer{text.substr(0, space), *digest};
  // One spelling only: any flipped bit makes it no pointer at all, or one whose digest does not fit.
  return text_of(pointer) == text ? std::optional(pointer) : std::nullopt;
} catch (const Fault&) {
  // An unreadable hint is no hint.
  return std::nullopt;
}

void remove_pointer(Disk& disk, const Generation& generation, const std::string& path) {
  if (!disk.info(path)) return;
  generation.require();
  disk.remove(path);
  disk.sync_directory(parent_of(path));
}

std::string why_no_pointer(Disk& disk, const std::string& folder, const std::string& name) {
  const std::string path = folder + "/" + name;
  if (!disk.info(path)) return "";
  const auto pointer = read_pointer(disk, path);
  if (!pointer) return "it is damaged";
  const std::string target = folder + "/" + pointer->directory;
  if (!disk.info(target)) return "it names " + pointer->directory + ", which is not there";
  try {
    if (CheckpointReader::open(disk, target)->manifest().digest != pointer->manifest)
      return "it names another manifest of " + pointer->directory;
  } catch (const Fault&) {
    // The checkpoint is bad, not the pointer; that is said where checkpoints are opened.
  }
  return "";
}

}  // namespace lockstep
