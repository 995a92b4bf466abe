// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lockstep {

// The folder of a drill: its runs, and what was said in them. It is gone with this object, unless it is kept.
// Local.
class DrillFolder {
 public:
  // Throws Fault (73) when there is such a folder, when it cannot be made, or when it would lie in `run`.
  DrillFolder(std::string path, const std::string& run);
  ~DrillFolder();
  DrillFolder(const DrillFolder&) = delete;
  DrillFolder& operator=(const DrillFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string run(const std::string& name) const { return path_ + "/" + name; }
  std::string log(const std::string& name) const { return path_ + "/" + name + ".log"; }
  // On a failure nothing is removed, in whichever way this ends, until it is said that it may be.
  void may_go() { keep_ = false; }

 private:
  std::string path_;
  bool keep_ = true;
};

}  // namespace lockstep
