// SPDX-License-Identifier: Apache-2.0
#include "base/disk_errors.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace lockstep {
namespace {

std::string remedy_for(int error) {
  switch (error) {
    case ENOSPC:
      return "The file system is full: free space there, or point run.dir at another one";
    case EDQUOT:
      return "Your quota is used up: free space, or point run.dir at another file system";
    case EROFS:
    case EACCES:
    case EPERM:
      return "Make the folder writable for this user, or choose another run.dir";
    case EFBIG:
      return "The file size limit is reached: raise it (ulimit -f), or use a file system with larger files";
    case EMFILE:
    case ENFILE:
      return "No more files can be opened: raise the limit (ulimit -n)";
    case ELOOP:
      return "A symbolic link stands where a file of ours should be; it is not followed. Remove it";
    case ENOENT:
      return "Was it removed while the run was going on?";
    case EIO:
      return "The device reports an error: see the system log (dmesg) before trusting this disk again";
    default:
      return "";
  }
}

std::string fact_of(std::string_view what, const std::string& path, int error) {
  return fmt::format("{}: {} failed: {}", path, what, std::generic_category().message(error));
}

}  // namespace

Fault storage_fault(std::string_view what, const std::string& path, int error) {
  return Fault(ExitCode::kStorage, fact_of(what, path, error), remedy_for(error));
}

Fault reading_fault(std::string_view what, const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR)
    return Fault(ExitCode::kInputMissing, fmt::format("{}: no such file", path), "Check the path");
  return Fault(ExitCode::kStorage, fact_of(what, path, error), remedy_for(error));
}

}  // namespace lockstep
