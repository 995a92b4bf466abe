// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lockstep {

// The `dist` section of a config, and what the launcher told this process.
struct DistOptions {
  std::string backend = "auto";  // auto|mpi|nccl; auto: nccl for CUDA devices
  std::string reduce = "exact";  // exact|fast
  // The ranks of a host sum gradients and update parameters in memory that they have in common.
  bool shared_memory = true;
  std::string domain = "host";  // host|numa: which of them; a NUMA node's alone, where ranks are bound to one
  std::string overlap = "auto";  // auto|on|off: gradients leave during backward, where they travel
  double bucket_mb = 25;         // so many at a time
  bool fast() const { return reduce == "fast"; }
};

// From the environment of the process (config/environment.h): is there an MPI launcher?
struct LaunchOptions {
  bool launched = false;  // false: a world of one, MPI is not started
};

}  // namespace lockstep
