// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lockstep {

// What Slurm tells a batch job in its environment.
struct SlurmPlace {
  std::string job;         // SLURM_JOB_ID; empty outside a job
  std::string array_job;   // SLURM_ARRAY_JOB_ID; empty outside an array
  std::string array_task;  // SLURM_ARRAY_TASK_ID
  int nodes = 1;           // SLURM_JOB_NUM_NODES
  int tasks = 0;           // SLURM_NTASKS; 0: not said
  int restarts = 0;        // SLURM_RESTART_COUNT
  bool in_step = false;    // SLURM_STEP_ID is set: one of many, not the batch script

  // What scontrol calls this job: of an array, the job id alone means all of its tasks.
  std::string name() const { return array_job.empty() ? job : array_job + "_" + array_task; }
};

}  // namespace lockstep
