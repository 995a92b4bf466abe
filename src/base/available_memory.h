// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace lockstep {

// Local. Bytes of memory that can still be used here: what the machine has, or what the memory limits of this
// process's cgroups leave, whichever is less. The largest number there is where neither is known.
std::uint64_t available_memory();

// Local. Bytes of memory that this machine has in all.
std::uint64_t machine_memory();

// Local. What the memory limits of cgroups leave, of version 1 or 2, each with all above it; what files alone
// fill counts as free. `list` is as /proc/self/cgroup, `mount` as /sys/fs/cgroup. The largest number where
// there is no limit.
std::uint64_t memory_left_by_groups(const std::string& list, const std::string& mount);

}  // namespace lockstep
