// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "job/job.h"

namespace lockstep::testing {

// Words in front of a command: its disk is slow, or does not answer at all while it is frozen. Habits are
// those of preload/odd_disk.cpp.
class SlowDisk {
 public:
  explicit SlowDisk(const Job& job);

  // Each fsync of a checkpoint takes 100 ms.
  std::vector<std::string> slow_sync() const;
  // What goes to a path with `part` in it hangs while freeze() holds.
  std::vector<std::string> frozen(const std::string& part) const;
  void freeze() const;
  void thaw() const;

  // How often an fsync was slow, and how often a call met the ice.
  std::uint64_t slow() const { return shown(5); }
  std::uint64_t hung() const { return shown(6); }

 private:
  std::uint64_t shown(std::size_t habit) const;

  std::string counts_;
  std::string gate_;
};

}  // namespace lockstep::testing
