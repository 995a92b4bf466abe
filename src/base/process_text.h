// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>

namespace lockstep {

// Local. What the kernel tells of a process in /proc/<process>/<file>; empty when it has ended, also when it
// ends while this is read.
std::string process_text(pid_t process, const char* file);

}  // namespace lockstep
