// SPDX-License-Identifier: Apache-2.0
#include "slow_disk.h"

#include <cstring>
#include <filesystem>

namespace lockstep::testing {

SlowDisk::SlowDisk(const Job& job) : counts_(job.path("counts")), gate_(job.path("gate")) {
  write_file(counts_, std::string(8 * sizeof(std::uint64_t), '\0'));
}

std::vector<std::string> SlowDisk::slow_sync() const {
  return {"env", "LD_PRELOAD=" LOCKSTEP_ODD_DISK, "ODD_DISK=slow_sync", "ODD_DISK_COUNTS=" + counts_};
}

std::vector<std::string> SlowDisk::frozen(const std::string& part) const {
  return {"env",
          "LD_PRELOAD=" LOCKSTEP_ODD_DISK,
          "ODD_DISK=frozen",
          "ODD_DISK_COUNTS=" + counts_,
          "ODD_DISK_GATE=" + gate_,
          "ODD_DISK_FROZEN=" + part};
}

void SlowDisk::freeze() const {
  write_file(gate_, "");
}

void SlowDisk::thaw() const {
  std::filesystem::remove(gate_);
}

std::uint64_t SlowDisk::shown(std::size_t habit) const {
  std::uint64_t count = 0;
  std::memcpy(&count, read_file(counts_).data() + habit * sizeof count, sizeof count);
  return count;
}

}  // namespace lockstep::testing
