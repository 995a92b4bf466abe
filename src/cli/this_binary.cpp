// SPDX-License-Identifier: Apache-2.0
#include "cli/this_binary.h"

#include <filesystem>

#include "lockstep/base/error.h"

namespace lockstep {

std::string this_binary() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) throw Fault(ExitCode::kCannotStart, "/proc is not mounted: " + error.message());
  return path;
}

}  // namespace lockstep
