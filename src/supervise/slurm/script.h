// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace lockstep {

// What a batch script asks Slurm for. Empty texts and zeros are left to the cluster's defaults.
struct SlurmScript {
  std::string job_name;
  std::string binary;                  // of lockstep, on the nodes
  std::string config;                  // as the batch job finds it from the folder of the submission
  std::vector<std::string> overrides;  // key=value
  std::string written_by;              // the command line, for the first comment

  std::string partition;
  std::string account;
  std::string nodes = "1";  // a number, or "1-4": as few as 1, as many as 4
  std::string time;
  std::string array;
  int ranks_per_node = 1;
  int cpus_per_node = 1;
  int gpus_per_node = 0;
  int lead_s = 120;  // how long before the end the ranks are asked to save
  int chain = 0;     // number of jobs, one after the other, where jobs are not requeued; 0: requeue
  std::vector<std::string> modules;
  std::string container;  // an Apptainer image that holds lockstep
};

// Local. The script, ready for sbatch. It names nodes and CPUs but no number of tasks: Slurm keeps that
// number over a requeue, and a job that lost a node would wait for it.
std::string slurm_script(const SlurmScript& script);

// Local. Throws Fault (64) for what Slurm would read in another way than it was meant, or not at all.
void check_slurm_script(const SlurmScript& script);

}  // namespace lockstep
