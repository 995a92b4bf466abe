// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "lockstep/base/disk.h"

namespace lockstep {

// Local. Gives `use` each whole line of a file, without its end, in pieces of the file: the journal of a long
// run is larger than one would hold in memory at once. A line that is being written now has no end yet and is
// none. Nothing happens where there is no such file. Throws Fault (74).
void for_each_line(Disk& disk, const std::string& path, const std::function<void(const std::string&)>& use);

// The same for a file that grows, or that comes later: each call goes on where the one before ended. Local.
class LineFollower {
 public:
  LineFollower(Disk& disk, std::string path) : disk_(&disk), path_(std::move(path)) {}
  // Was there any new line?
  bool read_on(const std::function<void(const std::string&)>& use);

 private:
  Disk* disk_;
  std::string path_;
  std::uint64_t at_ = 0;
};

}  // namespace lockstep
