// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace lockstep {

// One file of the data.
struct FoundFile {
  std::string path;    // to open it
  std::string name;    // below what the config names: stays when the data move
  bool named = false;  // by the config itself, not found in a folder
};

// The files that paths of a config stand for, and what of their folders is no data.
struct FileSet {
  std::vector<FoundFile> files;
  // Why a file or folder was left out, such as "hidden", to how many.
  std::map<std::string, std::int64_t> left_out;
};

// Local. A file stands for itself, a folder for every regular file below it in byte order of the relative
// path. Left out: what is hidden (.git, .ipynb_checkpoints, .DS_Store, ._x, .x.swp), what editors and systems
// leave behind (x~, #x#, Thumbs.db, __pycache__, lost+found, …), run directories of Lockstep, special files,
// and links to folders, which are not entered. Throws Fault (66) for a path that is missing, a folder that
// cannot be read or holds no file, and a link to nothing.
FileSet find_files(const std::vector<std::string>& paths);

// Local. "3 files; left out: 2 hidden, 1 link to a folder".
std::string describe(const FileSet& set);

}  // namespace lockstep
