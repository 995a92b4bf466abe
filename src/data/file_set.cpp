// SPDX-License-Identifier: Apache-2.0
#include "data/file_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/run_layout.h"
#include "data/refuse.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHidden = "hidden";
constexpr const char* kLeftover = "of an editor or the system";
constexpr const char* kLink = "a link to a folder";
constexpr const char* kRun = "a run directory";
constexpr const char* kSpecial = "no regular file";

// Beside what is hidden: Windows, macOS, Python, archives made on a Mac, fsck, Synology.
constexpr std::array<std::string_view, 11> kLeftovers = {
    "thumbs.db",   "ehthumbs.db",  "desktop.ini",
    "__pycache__", "__macosx",     "lost+found",
    "@eadir",      "$recycle.bin", "system volume information",
    "#recycle",    "icon\r"};

std::string lower(std::string_view text) {
  std::string small(text);
  // Not tolower(): names are bytes, and the locale must not decide what the data is.
  for (char& letter : small)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return small;
}

// Why something of this name is no data; null when it may be.
const char* no_data(std::string_view name) {
  if (name.starts_with('.')) return kHidden;
  const bool emacs = name.size() > 2 && name.starts_with('#') && name.ends_with('#');
  if (name.ends_with('~') || emacs || name.starts_with("~$")) return kLeftover;
  if (std::find(kLeftovers.begin(), kLeftovers.end(), lower(name)) != kLeftovers.end()) return kLeftover;
  return nullptr;
}

// Its logs would change the data while the run that trains on them goes on.
bool is_run_directory(const std::string& folder) {
  std::error_code error;
  return fs::is_regular_file(RunLayout(folder).identity(), error) &&
         fs::is_regular_file(folder + "/lock", error);
}

class Walk {
 public:
  // `folder` ends with a slash.
  Walk(std::string folder, FileSet& into) : root_(std::move(folder)), into_(into) { enter(root_); }

  std::vector<std::string> names;  // below the folder

 private:
  void enter(const std::string& folder) {
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
      take(folder, it->path().filename().string());
    if (error)
      refuse_data_file(folder, fmt::format("the folder cannot be read ({})", error.message()),
                       "Check its permissions, or take it out of the data.");
  }

  void take(const std::string& folder, const std::string& name) {
    const std::string path = folder + name;
    if (const char* why = no_data(name)) return leave_out(why);
    std::error_code error;
    const fs::file_status here = fs::symlink_status(path, error);
    const fs::file_status there = fs::status(path, error);
    if (fs::is_directory(here)) return is_run_directory(path) ? leave_out(kRun) : enter(path + "/");
    // Links to files are followed. Those to folders are not: a loop of them would never end.
    if (fs::is_regular_file(there)) return names.push_back(path.substr(root_.size()));
    if (fs::is_directory(there)) return leave_out(kLink);
    if (fs::is_symlink(here))
      refuse_data_file(path, "is a link to a file that is not there",
                       "Mend the link or remove it; a file of the data may be missing.");
    leave_out(kSpecial);
  }

  void leave_out(const char* why) { ++into_.left_out[why]; }

  std::string root_;
  FileSet& into_;
};

void add_folder(const std::string& path, bool alone, FileSet& set) {
  const std::string folder = path.ends_with('/') ? path : path + "/";
  Walk walk(folder, set);
  if (walk.names.empty())
    refuse_data_file(folder, fmt::format("the folder holds no file of data ({})", describe(set)),
                     "Name a folder with data, or a file.");
  // The order of a folder's entries differs from one file system to the next.
  std::sort(walk.names.begin(), walk.names.end());
  const std::string prefix =
      alone ? "" : fs::path(folder.substr(0, folder.size() - 1)).filename().string() + "/";
  for (const std::string& name : walk.names) set.files.push_back({folder + name, prefix + name, false});
}

}  // namespace

FileSet find_files(const std::vector<std::string>& paths) {
  FileSet set;
  for (const std::string& path : paths) {
    std::error_code error;
    if (fs::is_directory(path, error))
      add_folder(path, paths.size() == 1, set);
    else
      set.files.push_back({path, fs::path(path).filename().string(), true});
  }
  return set;
}

std::string describe(const FileSet& set) {
  std::string text = fmt::format("{} {}", set.files.size(), set.files.size() == 1 ? "file" : "files");
  const char* separator = "; left out: ";
  for (const auto& [why, count] : set.left_out) {
    text += fmt::format("{}{} {}", separator, count, why);
    separator = ", ";
  }
  return text;
}

}  // namespace lockstep
