// SPDX-License-Identifier: Apache-2.0
#include "shelf/generation.h"

#include <fmt/format.h>
#include <unistd.h>

#include "checkpoint/catalog.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {

namespace {

constexpr const char* kTrash = ".trash-";

// A name is taken from a writer in one rename. What it holds is renamed too: a client of a file server may
// still reach the folder by a handle, and must not find in it what it would commit.
void take_away(Disk& disk, const std::string& folder, const std::string& name) {
  const std::string trash = folder + "/" + kTrash + name;
  remove_tree(disk, trash);
  disk.rename(folder + "/" + name, trash);
  for (const std::string& entry : disk.list(trash))
    disk.rename(trash + "/" + entry, trash + "/gone-" + entry);
  remove_tree(disk, trash);
}

}  // namespace

void fence_off(Disk& disk, const std::string& folder) {
  for (const CatalogEntry& entry : list_catalog(disk, folder)) {
    if (entry.kind != EntryKind::kUnfinished) continue;
    const bool is_trash = entry.name.starts_with(kTrash);
    if (is_trash)
      remove_tree(disk, folder + "/" + entry.name);
    else if (!fault_requested("guard.skip_fence"))
      take_away(disk, folder, entry.name);
  }
}

Generation::Generation(Disk& disk, std::string folder) : disk_(disk), folder_(std::move(folder)) {}

std::string Generation::begin(Attempt attempt) {
  std::uint32_t own = 0;
  check(::getentropy(&own, sizeof own) == 0, "the kernel gives four random bytes");
  enter(fmt::format(".staging-{}-{:08x}", attempt.value, own));
  try {
    disk_.make_directory(place());
    is_own_ = true;
  } catch (const Fault& fault) {
    throw Fault(ExitCode::kRunDirectory, fault.fact(), fault.remedy());
  }
  return name_;
}

void Generation::enter(std::string name) {
  name_ = std::move(name);
}

Generation::~Generation() try {
  if (is_own_ && !fault_requested("guard.skip_cleanup")) remove_tree(disk_, place());
} catch (const Fault&) {
  // The next start removes it.
  return;
}

std::string Generation::making(const std::string& entry) const {
  return name_.empty() ? folder_ + "/.staging-" + entry : place() + "/" + entry;
}

std::string Generation::leaving(const std::string& entry) const {
  return name_.empty() ? folder_ + "/" + kTrash + entry : place() + "/" + kTrash + entry;
}

void Generation::replace(const std::string& path, std::string_view text) const {
  if (name_.empty()) return replace_text(disk_, path, text);
  const std::string part = place() + path.substr(path.rfind('/')) + ".part";
  if (disk_.info(part)) disk_.remove(part);
  const auto file = disk_.create(part);
  file->write_at(0, std::as_bytes(std::span(text)));
  file->sync();
  file->close();
  fault_point("ckpt.before_replace");
  disk_.rename(part, path);
  disk_.sync_directory(parent_of(path));
}

void Generation::make_again() {
  if (!name_.empty()) disk_.make_directory(place());
}

void Generation::require() const {
  if (name_.empty()) return;
  // Without the folder above it is no successor that has taken it away.
  if (disk_.info(place()) || !disk_.info(folder_)) return;
  throw Fault(ExitCode::kLocked,
              fmt::format("{} is gone: another start has taken over this run, and this one no longer writes "
                          "into it",
                          place()),
              "Nothing is lost: the other one goes on from the newest checkpoint");
}

}  // namespace lockstep
