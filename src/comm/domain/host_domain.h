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
#include "comm/domain/file_handover.h"
#include "comm/domain/peer_memory.h"
#include "comm/domain/shared_memory.h"
#include "comm/watch/local_peers.h"
#include "lockstep/comm/world.h"

namespace lockstep {

// Those ranks of a world that lie on one host, processes with memory in common; each rank is in one domain.
// Its barrier needs no message, and notices when a rank has ended. What is called collective here is so over
// the whole world, unless said otherwise: domains are made, and fail, together.
class HostDomain {
 public:
  struct Division {
    std::string part;     // ranks of a host with another one are of another domain
    bool singly = false;  // also where no two ranks have memory in common
  };
  // Collective. This rank's, in a world that outlives it. Null on all where no two ranks have memory in
  // common, or some that could cannot hand each other open files (the latter is said once).
  static std::unique_ptr<HostDomain> meet(World& world, const Division& division);
  static std::unique_ptr<HostDomain> meet(World& world) { return meet(world, {}); }

  // In the domain.
  int rank() const { return rank_; }
  int size() const { return static_cast<int>(members().size()); }
  // Is it of the only rank there is? What ranks have in common is then its own.
  bool is_alone() const { return world_.size().value == 1; }

  World& world() const { return world_; }
  // The ranks of the world by domain, ascending, in the order of their lowest; the same on every rank.
  const std::vector<std::vector<int>>& domains() const { return domains_; }
  // Which of them `rank` of the world is in; this one's own.
  std::size_t domain_of(int rank) const;
  std::size_t index() const { return index_; }
  const std::vector<int>& members() const { return domains_[index_]; }

  // Collective. Is it so on every rank?
  bool all(bool here) const;

  // Collective. So many bytes that every rank of the domain maps, zeros. Null on all where there is no room,
  // or a file once did not reach a rank; it is said once.
  std::shared_ptr<SharedMemory> memory(std::size_t bytes, Pages pages = Pages::kReserved);

  // Collective. Every rank gives a file in memory, and maps those of the others of its domain: in their
  // order, null for its own. Empty on all where one could not, which is said once.
  using PeerMemories = std::vector<std::unique_ptr<PeerMemory>>;
  PeerMemories show_each_other(int file);

  // Collective over the domain. Returns once all its ranks have called it, and what they wrote before can be
  // read. `name`, a literal: what it is called where collectives are listed. Throws Fault (76) when a rank
  // has ended.
  void barrier(const char* name);

 private:
  struct Turnstile;

  explicit HostDomain(World& world) : world_(world) {}
  bool is_first() const { return rank_ == 0; }
  bool connect(const std::vector<std::int32_t>& pids);
  // Collective. Runs `work` of this rank; empty where no rank's threw a Fault, else why the first one's did.
  std::string refused(const std::function<void()>& work) const;
  // Collective. The same for work that hands over files: where one did not arrive none is handed over again.
  std::string cut_off(const std::function<void()>& work);
  void wait_for_all();
  void look_for_the_dead() const;

  World& world_;
  std::vector<std::vector<int>> domains_ = {};
  std::size_t index_ = 0;  // of this rank's
  int rank_ = 0;
  FileHandover files_;
  bool hands_over_ = true;  // the same on every rank
  LocalPeers peers_;
  std::shared_ptr<SharedMemory> page_;
  Turnstile* turnstile_ = nullptr;
};

}  // namespace lockstep
