// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace lockstep {

// Local. The processes that this one has started and that live.
std::vector<pid_t> children_of(pid_t process);

// Local. This one and all that it and those have started and that live, as "4711 mpirun (S), 4712 lockstep
// (T)": number, name, and state as the kernel calls it.
std::string family_of(pid_t process);

// Local. The process of a rank that a supervisor's launcher has started on this machine; -1 while there is
// none.
pid_t rank_process(pid_t supervisor, int rank);
// Local. The same of a rank that srun has started on this machine to train in this run directory: its parent
// is a daemon of Slurm.
pid_t slurm_rank_process(const std::string& run_directory, int rank);

}  // namespace lockstep
