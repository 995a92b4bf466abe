// SPDX-License-Identifier: Apache-2.0
#include "comm/watch/local_peers.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

namespace lockstep {

void LocalPeers::add(int rank, pid_t pid) {
  Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (process.get() >= 0) peers_.push_back({rank, std::move(process)});
}

void LocalPeers::forget(int rank) {
  std::erase_if(peers_, [rank](const Peer& peer) { return peer.rank == rank; });
}

void LocalPeers::end(int rank) const {
  for (const Peer& peer : peers_)
    if (peer.rank == rank) ::syscall(SYS_pidfd_send_signal, peer.process.get(), SIGKILL, nullptr, 0);
}

}  // namespace lockstep
