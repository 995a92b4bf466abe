// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lockstep {

// The `watch` section of a config.
struct WatchOptions {
  double limit_s = 0;   // how long a phase may take; 0: learned from how long it took before
  double floor_s = 60;  // the least learned limit
  std::int64_t replica_hash_every = 500;  // steps within which all of the state is compared; 0: never
};

}  // namespace lockstep
