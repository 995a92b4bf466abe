// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

namespace lockstep {

// Local. What mpirun cannot start without, and would not say, or would say by hanging or crashing: a working
// directory, descriptors (whose soft limit is raised as far as it goes), room in /dev/shm for `local_ranks`,
// a name for the user. Returns the environment mpirun needs beside its own. Throws Fault (69).
std::map<std::string, std::string> prepare_for_mpirun(int local_ranks, const std::string& home);

}  // namespace lockstep
