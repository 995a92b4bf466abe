// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace lockstep {

// The exclusive flock on <run>/lock that keeps a second job out of a run directory. Held until destruction or
// the end of the process, whatever ends it, so a killed run leaves no stale lock behind.
class RunLock {
 public:
  // Local; rank 0. `job` is the batch job's id, or empty. Throws Fault (77) that names the owner (host, pid,
  // job) when another process holds it. On a file system without flock: one warning, and no protection.
  RunLock(const std::string& run_directory, const std::string& job);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int fd_ = -1;
};

// Local. Who holds the lock of a run directory, as it noted itself; empty when nobody does, or when there is
// no lock file to ask. Takes the lock, shared, for the blink of an eye, which RunLock waits out.
std::optional<std::string> lock_owner(const std::string& run_directory);

}  // namespace lockstep
