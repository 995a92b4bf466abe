// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lockstep {

// Local. How many CPUs' time the cgroups of this process allow it, of version 1 or 2, each with all above it:
// a container that was started with --cpus. Infinite where nothing limits it. `list` is as /proc/self/cgroup,
// `mount` as /sys/fs/cgroup.
double cpu_quota(const std::string& list = "/proc/self/cgroup", const std::string& mount = "/sys/fs/cgroup");

}  // namespace lockstep
