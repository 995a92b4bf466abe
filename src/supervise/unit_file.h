// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace lockstep {

struct UnitOptions {
  std::vector<std::string> command;  // absolute
  std::string directory;             // working directory
  std::string description;
};

// Local. A systemd unit that starts the command after the machine, again when it was killed, and not again
// when it has ended by itself; stopping the unit lets the ranks save.
std::string unit_file(const UnitOptions& options);

}  // namespace lockstep
