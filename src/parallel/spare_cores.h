// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lockstep/comm/world.h"

namespace lockstep {

// The cores of a host, and what its ranks need of them.
struct CoreShare {
  std::string host;
  int cores = 0;
  int ranks = 0;
  int threads = 0;  // that compute, of all its ranks
  bool spare = false;

  // "2 cores of node7 for 2 ranks with 2 threads"
  std::string text() const;
};

// Collective; the same on all ranks. Has each rank a core for one more thread beside the `threads` it
// computes with: among those its own affinity allows it, and among those of its host, as far as a cgroup's
// quota goes? The share of the first host where not, else of rank 0's.
CoreShare share_of_cores(World& world, int threads);

}  // namespace lockstep
