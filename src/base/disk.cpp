// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/disk.h"

#include <fmt/format.h>

#include "lockstep/base/error.h"

namespace lockstep {

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string read_text(Disk& disk, const std::string& path, std::uint64_t limit) {
  const auto file = disk.open(path);
  if (file->size() > limit)
    throw Fault(ExitCode::kNoValidCheckpoint,
                fmt::format("{}: {} bytes, at most {} are read of such a file", path, file->size(), limit));
  std::string text(file->size(), '\0');
  file->read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

void replace_text(Disk& disk, const std::string& path, std::string_view text) {
  const std::string part = path + ".part";
  if (disk.info(part)) disk.remove(part);  // of a life that was killed here
  const auto file = disk.create(part);
  file->write_at(0, std::as_bytes(std::span(text)));
  file->sync();
  file->close();
  disk.rename(part, path);
  disk.sync_directory(parent_of(path));
}

void make_directories(Disk& disk, const std::string& path) {
  if (path.empty() || path == "/" || path == ".") return;
  const auto found = disk.info(path);
  if (found && found->is_directory) return;
  make_directories(disk, parent_of(path));
  disk.make_directory(path);
}

void remove_tree(Disk& disk, const std::string& path) {
  const auto found = disk.info(path);
  if (!found) return;
  if (found->is_directory)
    for (const std::string& name : disk.list(path)) remove_tree(disk, path + "/" + name);
  disk.remove(path);
}

}  // namespace lockstep
