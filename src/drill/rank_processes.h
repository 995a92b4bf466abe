// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <vector>

namespace lockstep {

// Local. The processes that this one has started and that live.
std::vector<pid_t> children_of(pid_t process);

// Local. The process of a rank that a supervisor's launcher has started on this machine; -1 while there is
// none.
pid_t rank_process(pid_t supervisor, int rank);

}  // namespace lockstep
