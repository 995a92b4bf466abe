// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "lockstep/base/disk.h"

namespace lockstep {

// Local. Gives `use` each whole line of a file, without its end, in pieces of the file: the journal of a long
// run is larger than one would hold in memory at once. A line that is being written now has no end yet and is
// none. Nothing happens where there is no such file. Throws Fault (74).
void for_each_line(Disk& disk, const std::string& path, const std::function<void(const std::string&)>& use);

}  // namespace lockstep
