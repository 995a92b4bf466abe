// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace lockstep {

// Local. What the kernel tells of a process in /proc/<process>/<file>; empty when it has ended, also when it
// ends while this is read.
std::string process_text(pid_t process, const char* file);

// Local. The fields of /proc/<process>/stat behind the name: state, parent, group, session, …; empty when it
// has ended.
std::vector<std::string> process_stat(pid_t process);

}  // namespace lockstep
