// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "comm/domain/peer_memory.h"
#include "comm/domain/shared_memory.h"
#include "comm/watch/local_peers.h"
#include "lockstep/comm/world.h"

namespace lockstep {

// The ranks of a world that lies on one host, processes with memory in common. Its barrier
// needs no message, and notices when a rank has ended.
class HostDomain {
 public:
  // Collective. Of all ranks of `world`, which outlives it. Null on all where they are not on one host, or
  // cannot hand each other open files there (namespaces apart); the latter is said once.
  static std::unique_ptr<HostDomain> meet(World& world);

  int rank() const { return world_.rank().value; }
  int size() const { return world_.size().value; }

  // Collective. Is it so on every rank?
  bool all(bool here) const;

  // Collective. So many bytes that every rank maps, zeros. Null on all where there is no room, which is said
  // once.
  std::shared_ptr<SharedMemory> memory(std::size_t bytes, Pages pages = Pages::kReserved);

  // Collective. Every rank gives a file in memory, and maps those of the others: in the order of ranks, null
  // for its own. Empty on all where one could not, which is said once.
  using PeerMemories = std::vector<std::unique_ptr<PeerMemory>>;
  PeerMemories show_each_other(int file);

  // Collective. Returns once all ranks have called it, and what they wrote before can be read. `name`, a
  // literal: what it is called where collectives are listed. Throws Fault (76) when a rank has ended.
  void barrier(const char* name);

 private:
  struct Turnstile;

  explicit HostDomain(World& world) : world_(world) {}
  bool connect(const std::vector<std::int32_t>& pids);
  // Collective. Runs `work` of this rank; empty where no rank's threw a Fault, else why it did.
  std::string refused(const std::function<void()>& work) const;
  void look_for_the_dead() const;
  // Collective. The file of rank `from` to the others; empty where it did not arrive.
  Descriptor hand_out(const std::optional<Descriptor>& file, int from) const;

  World& world_;
  // Rank 0: to rank 1, 2, …; else to rank 0 alone.
  std::vector<Descriptor> sockets_;
  LocalPeers peers_;
  std::shared_ptr<SharedMemory> page_;
  Turnstile* turnstile_ = nullptr;
};

}  // namespace lockstep
