// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lockstep {

// What can be done to a run on purpose, from outside, as it happens by itself.
enum class FaultKind {
  kKill,      // SIGKILL of a rank
  kHang,      // SIGSTOP of a rank, which then answers nobody
  kFullDisk,  // a rank can write no file any more
};

// What starts the ranks of a drill.
enum class Launcher {
  kMpirun,
  kSlurm,  // srun, inside a batch job, which says how many ranks each life has
};

// One fault, as it is planned.
struct Disturbance {
  FaultKind kind = FaultKind::kKill;
  int ranks = 1;          // of the life it strikes
  int rank = 0;           // that it strikes
  std::int64_t step = 0;  // it strikes when this step has ended and
  double part = 0;        // this part of a step's time, 0 to 1, has gone by. Step 0: while the ranks start,
                          // this part of the time the last start took, at the latest with the first step
};

// Local. "kill", "hang", "disk".
const char* word_for(FaultKind kind);

}  // namespace lockstep
