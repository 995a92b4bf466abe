// SPDX-License-Identifier: Apache-2.0
#include "base/disk_abilities.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <system_error>

#include "base/descriptor.h"
#include "base/disk_errors.h"

namespace lockstep {
namespace {

std::optional<std::string> reason_of(int result) {
  if (result == 0) return std::nullopt;
  return std::generic_category().message(errno);
}

}  // namespace

std::optional<std::string> why_no_lock(const std::string& file) {
  const Descriptor first(open_or_throw(file, O_RDWR, /*reading=*/false));
  const Descriptor second(open_or_throw(file, O_RDWR, /*reading=*/false));
  if (const auto reason = reason_of(::flock(first.get(), LOCK_EX | LOCK_NB))) return reason;
  // Some network file systems say yes to everybody.
  if (::flock(second.get(), LOCK_EX | LOCK_NB) == 0) return "two holders have the same lock";
  return std::nullopt;
}

std::optional<std::string> why_no_folder_sync(const std::string& folder) {
  const Descriptor fd(open_or_throw(folder, O_RDONLY | O_DIRECTORY, /*reading=*/false));
  return reason_of(retry_interrupted([&] { return ::fsync(fd.get()); }));
}

std::optional<std::string> why_no_room_ahead(const std::string& file, std::uint64_t bytes) {
  const Descriptor fd(open_or_throw(file, O_RDWR | O_CREAT | O_EXCL, /*reading=*/false));
  return reason_of(retry_interrupted([&] { return ::fallocate(fd.get(), 0, 0, static_cast<off_t>(bytes)); }));
}

bool makes_holes(const std::string& file, std::uint64_t bytes) {
  const Descriptor fd(open_or_throw(file, O_RDWR | O_CREAT | O_EXCL, /*reading=*/false));
  struct stat status {};
  if (retry_interrupted([&] { return ::ftruncate(fd.get(), static_cast<off_t>(bytes)); }) != 0 ||
      ::fstat(fd.get(), &status) != 0)
    throw storage_fault("setting the length", file, errno);
  constexpr std::uint64_t kBlock = 512;  // of st_blocks, whatever the file system's are
  return static_cast<std::uint64_t>(status.st_blocks) * kBlock < bytes;
}

std::optional<std::size_t> direct_alignment_of(int fd) {
  struct statx status {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) != 0 || (status.stx_mask & STATX_DIOALIGN) == 0)
    return std::nullopt;
  if (status.stx_dio_offset_align == 0) return 0;
  return std::max(status.stx_dio_offset_align, status.stx_dio_mem_align);
}

DiskLimits disk_limits(const std::string& file) {
  const Descriptor fd(open_or_throw(file, O_RDONLY, /*reading=*/false));
  struct statvfs status {};
  if (retry_interrupted([&] { return ::fstatvfs(fd.get(), &status); }) != 0)
    throw storage_fault("asking for its limits", file, errno);
  DiskLimits limits;
  limits.name_bytes = status.f_namemax;
  if (status.f_files > 0) limits.free_inodes = status.f_favail;
  if (const auto wanted = direct_alignment_of(fd.get()); wanted && *wanted > 0)
    limits.direct_alignment = wanted;
  return limits;
}

}  // namespace lockstep
