// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "base/descriptor.h"
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

  // Collective. So many bytes that every rank maps, zeros. Null on all where there is no room, which is said
  // once.
  std::shared_ptr<SharedMemory> memory(std::size_t bytes);

  // Collective. Returns once all ranks have called it, and what they wrote before can be read. `name`, a
  // literal: what it is called where collectives are listed. Throws Fault (76) when a rank has ended.
  void barrier(const char* name);

 private:
  struct Turnstile;

  explicit HostDomain(World& world) : world_(world) {}
  bool connect();
  void look_for_the_dead() const;
  // Collective. From rank 0 to the others; empty where it did not arrive.
  Descriptor hand_out(const std::optional<Descriptor>& file) const;

  World& world_;
  std::vector<Descriptor> sockets_;  // rank 0: to the others, as they came; else to rank 0
  LocalPeers peers_;
  std::shared_ptr<SharedMemory> page_;
  Turnstile* turnstile_ = nullptr;
};

}  // namespace lockstep
