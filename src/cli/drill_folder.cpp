// SPDX-License-Identifier: Apache-2.0
#include "cli/drill_folder.h"

#include <algorithm>
#include <filesystem>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

bool lies_in(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

}  // namespace

DrillFolder::DrillFolder(std::string path, const std::string& run) : path_(std::move(path)) {
  if (lies_in(fs::weakly_canonical(path_), fs::weakly_canonical(run)))
    throw Fault(ExitCode::kRunDirectory, path_ + " lies in the run's own directory " + run,
                "Give another folder with --dir");
  std::error_code error;
  fs::create_directories(fs::absolute(path_).parent_path(), error);
  if (!error && !fs::create_directory(path_, error) && !error)
    throw Fault(ExitCode::kRunDirectory, path_ + " is there already",
                "Remove it, or give another with --dir");
  if (error)
    throw Fault(ExitCode::kRunDirectory, path_ + " cannot be made: " + error.message(),
                "Give another folder with --dir");
}

DrillFolder::~DrillFolder() {
  std::error_code error;
  if (!keep_) fs::remove_all(path_, error);
}

}  // namespace lockstep
