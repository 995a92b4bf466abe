// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lockstep {

// Counts what the kernel of this host ends for want of memory, of the machine or of a cgroup, from now on.
// Local. A kernel that does not count says 0.
class MemoryKills {
 public:
  MemoryKills();
  bool any() const;

 private:
  std::uint64_t before_ = 0;
};

}  // namespace lockstep
