// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace lockstep {

// Folders for what mpirun and the ranks put beside a run on this host: its sockets in the temporary folder,
// the ranks' shared memory in /dev/shm. They go away with their owner, whatever is still in them. Local.
class Scratch {
 public:
  // Throws Fault (69) when they cannot be made.
  explicit Scratch(const std::string& temporary_folder);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& sockets() const { return sockets_; }
  const std::string& memory() const { return memory_; }
  std::vector<std::string> folders() const { return {sockets_, memory_}; }

 private:
  std::string sockets_;
  std::string memory_;
};

// Local. Removes what a supervisor that was killed could not; nothing but folders that a Scratch has made.
void remove_scratch(const std::vector<std::string>& folders);

}  // namespace lockstep
