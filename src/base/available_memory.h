// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lockstep {

// Local. Bytes of memory that can still be used here: what the machine has, or what the memory limit of this
// process's cgroup leaves, whichever is less. The largest number there is where neither is known.
std::uint64_t available_memory();

}  // namespace lockstep
