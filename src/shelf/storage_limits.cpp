// SPDX-License-Identifier: Apache-2.0
#include "shelf/storage_limits.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include "base/disk_abilities.h"
#include "shelf/usable_folder.h"

namespace lockstep {

namespace {

// Below what most runs are in trouble soon.
constexpr std::uint64_t kLittleRoom = 1u << 30;
constexpr std::uint64_t kFewInodes = 1000;
// A tag of 64 letters on its way to its place: "<tag>.part".
constexpr std::uint64_t kLongestName = 69;

}  // namespace

StorageFinding StorageLimits::names() const {
  const std::uint64_t longest = disk_limits(place_.at("1")).name_bytes;
  if (longest < kLongestName)
    return StorageFinding::warn(fmt::format("up to {} bytes", longest),
                                fmt::format("ckpt tag wants {} for its longest names", kLongestName));
  disk_.create(place_.at(std::string(kLongestName, 'n')))->close();
  return StorageFinding::ok(fmt::format("up to {} bytes", longest), "");
}

StorageFinding StorageLimits::space() const {
  const std::uint64_t free = disk_.free_bytes(place_.path());
  const std::string found = fmt::format("{:.1f} GiB", static_cast<double>(free) / (1u << 30));
  const char* how = "lockstep train --dry-run says what one checkpoint takes; have room for keep_last + 1";
  if (free < kLeastRoom)
    return StorageFinding::bad(fmt::format("{} bytes", free), "free some, or choose another run.dir");
  return free < kLittleRoom ? StorageFinding::warn(found, how) : StorageFinding::ok(found, how);
}

StorageFinding StorageLimits::inodes() const {
  const auto free = disk_limits(place_.at("1")).free_inodes;
  if (!free) return StorageFinding::ok("not counted", "");
  const std::string found = std::to_string(*free);
  if (*free < kInodesOfARun) return StorageFinding::bad(found, "remove files, or choose another run.dir");
  return *free < kFewInodes ? StorageFinding::warn(found, "a checkpoint takes one for each rank, and three")
                            : StorageFinding::ok(found, "");
}

StorageFinding StorageLimits::file_size() const {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return StorageFinding::ok("any", "");
  return StorageFinding::warn(fmt::format("at most {} bytes", limit.rlim_cur),
                              "a larger checkpoint is refused before training; ulimit -f raises it");
}

}  // namespace lockstep
