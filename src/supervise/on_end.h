// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lockstep {

struct JobEnd {
  int code = 0;
  std::string reason;
  std::string run_directory;
};

// Local. Runs the user's `command` in a shell with LOCKSTEP_CODE, LOCKSTEP_REASON and LOCKSTEP_RUN_DIR, for a
// minute at most. What becomes of it is said and changes nothing.
void run_on_end(const std::string& command, const JobEnd& end);

}  // namespace lockstep
