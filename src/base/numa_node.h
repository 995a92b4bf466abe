// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace lockstep {

// Local. The one NUMA node on whose CPUs this process may run (sched_getaffinity); empty where it may run on
// several, or where the kernel does not say. `cpus` is as /sys/devices/system/cpu.
std::optional<int> numa_node(const std::string& cpus = "/sys/devices/system/cpu");

}  // namespace lockstep
