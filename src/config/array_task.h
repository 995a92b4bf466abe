// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lockstep {

// Local. `dir` with the number of this task of a Slurm array in place of each {array_task}. Outside an array
// it stays as it is, so that a config can be checked and shown anywhere.
std::string with_array_task(const std::string& dir);

// Local. Throws Fault (78) for a run directory whose {array_task} nobody filled in: it is about to be used.
void require_array_task(const std::string& dir);

}  // namespace lockstep
