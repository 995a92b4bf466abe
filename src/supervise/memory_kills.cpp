// SPDX-License-Identifier: Apache-2.0
#include "supervise/memory_kills.h"

#include <fstream>
#include <string>

namespace lockstep {
namespace {

std::uint64_t kills_so_far() {
  std::ifstream counters("/proc/vmstat");
  std::string name;
  for (std::uint64_t value = 0; counters >> name >> value;)
    if (name == "oom_kill") return value;
  return 0;
}

}  // namespace

MemoryKills::MemoryKills() : before_(kills_so_far()) {}

bool MemoryKills::any() const {
  return kills_so_far() > before_;
}

}  // namespace lockstep
