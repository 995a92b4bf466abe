// SPDX-License-Identifier: Apache-2.0
#include "shelf/usable_folder.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

#include "base/aligned_block.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"
#include "shelf/generation.h"

namespace lockstep {

namespace {

// Any trouble before training starts is one with the run directory.
template <class Work>
void as_run_directory_fault(Work work) {
  try {
    work();
  } catch (const Fault& fault) {
    if (fault.code() == ExitCode::kRunDirectory) throw;
    throw Fault(ExitCode::kRunDirectory, "the checkpoint folder cannot be used: " + fault.fact(),
                fault.remedy());
  }
}

// Tries what a save will do, and says which way its bytes will go.
void probe_direct_writing(Disk& disk, const std::string& path) {
  const auto file = disk.create_direct(path);
  AlignedBlock block(kDirectAlignment);
  std::ranges::fill(block.bytes(), std::byte{0});
  file->write_at(0, block.bytes());
  file->sync();
  log_info("checkpoints are written {}", file->alignment() > 1
                                             ? "around the page cache (O_DIRECT)"
                                             : "through the page cache: this file system has no O_DIRECT");
  file->close();
}

// A read-only mount or a full inode table shows itself in a write, not in permissions.
void fill(Disk& disk, const std::string& probe) {
  disk.make_directory(probe);
  probe_direct_writing(disk, probe + "/1");
  for (int number = 2; number < kInodesOfARun; ++number) {
    const auto file = disk.create(fmt::format("{}/{}", probe, number));
    file->write_at(0, std::as_bytes(std::span("probe", 5)));
    file->close();
  }
}

void probe_writing(Disk& disk, const std::string& directory) {
  const std::string probe = directory + "/.staging-probe";
  try {
    fill(disk, probe);
  } catch (const Fault&) {
    // A full disk gets its room back; why it is refused is the first fault.
    try {
      remove_tree(disk, probe);
    } catch (const Fault&) {
    }
    throw;
  }
  remove_tree(disk, probe);
}

// `ulimit -f` would end the first save as late as a full disk does.
void check_file_size_limit(std::uint64_t bytes_needed) {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur >= bytes_needed) return;
  throw Fault(ExitCode::kRunDirectory,
              fmt::format("one checkpoint needs {} bytes, and no file may be larger than {} bytes",
                          bytes_needed, limit.rlim_cur),
              "Raise the file size limit (ulimit -f)");
}

}  // namespace

void make_durable_folder(Disk& disk, const std::string& path) {
  if (path == "." || path == "/" || disk.info(path)) return;
  make_durable_folder(disk, parent_of(path));
  disk.make_directory(path);
  disk.sync_directory(parent_of(path));
}

void require_usable_folder(Disk& disk, const std::string& folder, std::uint64_t bytes_needed) {
  as_run_directory_fault([&] {
    make_durable_folder(disk, folder);
    // Whoever made the run directory a moment ago may not have synced its name.
    disk.sync_directory(parent_of(folder));
    disk.sync_directory(parent_of(parent_of(folder)));
    const auto info = disk.info(folder);
    if (!info || !info->is_directory)
      throw Fault(ExitCode::kRunDirectory, folder + " is not a directory (symbolic links are not followed)");
    fence_off(disk, folder);
    check_file_size_limit(bytes_needed);
    if (!fault_requested("guard.skip_probe")) probe_writing(disk, folder);
    const std::uint64_t free = disk.free_bytes(folder);
    if (free < bytes_needed)
      throw Fault(ExitCode::kRunDirectory,
                  fmt::format("{}: one checkpoint needs {} bytes, {} are free", folder, bytes_needed, free),
                  "Free some space, or choose another run.dir");
  });
}

}  // namespace lockstep
