// SPDX-License-Identifier: Apache-2.0
#include "base/folder_owner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "base/descriptor.h"
#include "base/disk_errors.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {
namespace {

std::optional<uid_t> other_owner(const std::string& path) {
  const Descriptor folder(open_or_throw(path, O_PATH | O_DIRECTORY, /*reading=*/true));
  struct stat status {};
  if (::fstat(folder.get(), &status) != 0) throw reading_fault("stat", path, errno);
  const uid_t us = ::geteuid();
  if (us == 0 || status.st_uid == 0 || status.st_uid == us || fault_requested("guard.skip_owner"))
    return std::nullopt;
  return status.st_uid;
}

// "daemon (uid 1)"; in a container many a number has no name.
std::string user(uid_t uid) {
  std::vector<char> room(1u << 14);
  struct passwd entry {};
  struct passwd* found = nullptr;
  const bool named = ::getpwuid_r(uid, &entry, room.data(), room.size(), &found) == 0 && found != nullptr;
  return named ? fmt::format("{} (uid {})", found->pw_name, uid) : fmt::format("uid {}", uid);
}

}  // namespace

bool is_folder_of_another(const std::string& path) {
  return other_owner(path).has_value();
}

void refuse_folder_of_another(const std::string& path) {
  const auto owner = other_owner(path);
  if (!owner) return;
  throw Fault(
      ExitCode::kRunDirectory,
      fmt::format("{}: this folder belongs to {}, and we run as {}", path, user(*owner), user(::geteuid())),
      fmt::format("Choose a folder of your own (run.dir), or have root hand this one over: "
                  "chown -R {} {}",
                  ::geteuid(), path));
}

}  // namespace lockstep
