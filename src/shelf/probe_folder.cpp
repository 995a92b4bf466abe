// SPDX-License-Identifier: Apache-2.0
#include "shelf/probe_folder.h"

#include <fmt/format.h>
#include <unistd.h>

#include "lockstep/base/error.h"

namespace lockstep {

ProbeFolder::ProbeFolder(Disk& disk, const std::string& parent)
    : disk_(disk), path_(fmt::format("{}/.lockstep-doctor-{}", parent, ::getpid())) {}

ProbeFolder::~ProbeFolder() {
  // Once more, because disks that fail are what this is for.
  if (!cleaned()) cleaned();
}

void ProbeFolder::make() {
  remove_tree(disk_, path_);
  disk_.make_directory(path_);
}

bool ProbeFolder::cleaned() noexcept try {
  remove_tree(disk_, path_);
  return true;
} catch (const Fault&) {
  return false;
}

}  // namespace lockstep
