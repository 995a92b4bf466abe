// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lockstep/base/disk.h"

namespace lockstep {

// A folder of this process inside another one, for what is tried there; removed at the end, also when
// something fails. Local.
class ProbeFolder {
 public:
  // Makes nothing yet. `disk` outlives this.
  ProbeFolder(Disk& disk, const std::string& parent);
  ~ProbeFolder();
  ProbeFolder(const ProbeFolder&) = delete;
  ProbeFolder& operator=(const ProbeFolder&) = delete;

  // Empty. Throws Fault (73, 74) as the disk does.
  void make();
  const std::string& path() const { return path_; }
  std::string at(const std::string& name) const { return path_ + "/" + name; }

 private:
  bool cleaned() noexcept;

  Disk& disk_;
  std::string path_;
};

}  // namespace lockstep
