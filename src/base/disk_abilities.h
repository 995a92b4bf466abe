// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace lockstep {

// What a run can do without, so that Disk and RunLock pass over its absence. Each of the first three tries it
// and returns the reason why it is not there, or nothing. All are Local, and throw Fault (74) when `file` or
// `folder` cannot be opened.
std::optional<std::string> why_no_lock(const std::string& file);
std::optional<std::string> why_no_folder_sync(const std::string& folder);
// Of a file made for it, which has that length afterwards.
std::optional<std::string> why_no_room_ahead(const std::string& file, std::uint64_t bytes);

// Makes `file` with that length, which no byte was written to. Whether it takes less room than that.
bool makes_holes(const std::string& file, std::uint64_t bytes);

// What O_DIRECT wants of the offsets and the memory of an open file: 0 where it is not to be had, empty where
// the kernel cannot say.
std::optional<std::size_t> direct_alignment_of(int fd);

// What the file system of a folder says about itself.
struct DiskLimits {
  std::uint64_t name_bytes = 0;                 // of the longest name
  std::optional<std::uint64_t> free_inodes;     // empty where there is no fixed number of them
  std::optional<std::size_t> direct_alignment;  // what O_DIRECT wants, where the kernel says it
};
// `file` lies in the folder that is meant.
DiskLimits disk_limits(const std::string& file);

}  // namespace lockstep
