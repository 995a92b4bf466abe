// SPDX-License-Identifier: Apache-2.0
#include "supervise/scratch.h"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

// Short: a socket's path has room for 107 characters.
const char* const kName = "lockstep-";

std::string make_folder(const std::string& parent) {
  std::string path = parent + "/" + kName + "XXXXXX";
  if (::mkdtemp(path.data()) == nullptr)
    throw Fault(ExitCode::kCannotStart,
                "no folder can be made in " + parent + " for mpirun's files: " + std::strerror(errno),
                "Free space there, or set TMPDIR to a folder that can be written");
  return path;
}

}  // namespace

Scratch::Scratch(const std::string& temporary_folder) : sockets_(make_folder(temporary_folder)) {
  try {
    memory_ = make_folder("/dev/shm");
  } catch (const Fault&) {
    remove_scratch({sockets_});
    throw;
  }
}

Scratch::~Scratch() {
  remove_scratch(folders());
}

void remove_scratch(const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    const std::string name = std::filesystem::path(folder).filename();
    if (!name.starts_with(kName) || name.size() != std::strlen(kName) + 6) continue;
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
}

}  // namespace lockstep
