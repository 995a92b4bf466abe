// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <vector>

#include "base/descriptor.h"

namespace lockstep {

// The ranks of this host as processes: their end is seen at once, whoever else holds their sockets, and one
// that cannot leave by itself is ended. Local; does not throw.
class LocalPeers {
 public:
  struct Peer {
    int rank;
    Descriptor process;  // a pidfd
  };

  // Nothing where the kernel has no pidfd (before 5.3).
  void add(int rank, pid_t pid);
  const std::vector<Peer>& peers() const { return peers_; }
  void forget(int rank);
  // SIGKILL: a stopped process hears nothing else.
  void end(int rank) const;

 private:
  std::vector<Peer> peers_;
};

}  // namespace lockstep
