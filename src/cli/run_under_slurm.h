// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/config_arguments.h"
#include "config/schema.h"

namespace lockstep {

// What `lockstep run --slurm` was asked to run.
struct SlurmRequest {
  std::vector<std::string> program;  // of one's own; empty: lockstep train of `config`
  std::optional<GivenConfig> config;
  std::optional<std::string> run;     // --run
  std::optional<std::string> resume;  // --resume
  int ranks_per_node = 0;             // 0: as many tasks as sbatch was told
};

// Local. The supervisor inside a batch job; the exit code of the job. Call it before anything starts a
// thread. A config that is wrong throws its Fault before a rank starts.
int run_under_slurm(const SlurmRequest& request, const ExtraTypes& types);

}  // namespace lockstep
