// SPDX-License-Identifier: Apache-2.0
#include "comm/domain/host_domain.h"

#include <fmt/format.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <ctime>
#include <fstream>
#include <set>
#include <utility>

#include "comm/agree.h"
#include "comm/domain/descriptor_socket.h"
#include "lockstep/base/hash.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

std::uint64_t inode_of(const char* path) {
  struct stat status {};
  return ::stat(path, &status) == 0 ? status.st_ino : 0;
}

// The same where processes can find each other: one kernel, one network, one numbering of processes, one
// user.
std::string where_we_are() {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  return fmt::format("{} {} {} {}", boot, inode_of("/proc/self/ns/net"), inode_of("/proc/self/ns/pid"),
                     ::geteuid());
}

// What a rank says of itself, sent as bytes.
struct Presence {
  std::uint64_t where = 0;
  std::int64_t pid = 0;
  std::array<char, 64> listens{};  // under this name
};

std::vector<Presence> gather(World& world, const Presence& mine) {
  std::vector<Presence> all(static_cast<std::size_t>(world.size().value));
  world.host().all_gather({&mine, sizeof mine, DType::kUInt8},
                          {all.data(), sizeof mine * all.size(), DType::kUInt8});
  return all;
}

std::vector<std::vector<int>> domains_of(const std::vector<Presence>& ranks) {
  std::vector<std::vector<int>> domains;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    const auto same = std::ranges::find_if(domains, [&](const std::vector<int>& domain) {
      return ranks[static_cast<std::size_t>(domain.front())].where == ranks[rank].where;
    });
    if (same != domains.end())
      same->push_back(static_cast<int>(rank));
    else
      domains.push_back({static_cast<int>(rank)});
  }
  return domains;
}

void warn_of_messages(const World& world, const std::string& why) {
  if (world.is_root())
    log_warning("the ranks of this host do not share memory and exchange messages instead: {}", why);
}

}  // namespace

// One line of the cache each: who waits looks at the one, who comes writes to the other.
struct HostDomain::Turnstile {
  alignas(64) std::atomic<std::uint32_t> arrived;
  alignas(64) std::atomic<std::uint32_t> opened;
};

std::unique_ptr<HostDomain> HostDomain::meet(World& world, const Division& division) {
  const std::uint64_t where = digest_of(where_we_are() + " " + division.part).low;
  const std::vector<Presence> ranks = gather(world, {where, ::getpid(), {}});
  std::unique_ptr<HostDomain> domain(new HostDomain(world));
  domain->domains_ = domains_of(ranks);
  domain->index_ = domain->domain_of(world.rank().value);
  domain->rank_ =
      static_cast<int>(std::ranges::find(domain->members(), world.rank().value) - domain->members().begin());
  if (domain->is_alone()) return domain;
  // Nothing to share; or threads of one process: who of them has ended no kernel says.
  std::set<std::pair<std::uint64_t, std::int64_t>> processes;
  for (const Presence& rank : ranks) processes.emplace(rank.where, rank.pid);
  const bool shares = domain->domains_.size() < ranks.size();
  if ((!shares && !division.singly) || processes.size() < ranks.size()) return nullptr;
  std::vector<std::int32_t> pids;
  for (const int member : domain->members())
    pids.push_back(static_cast<std::int32_t>(ranks[static_cast<std::size_t>(member)].pid));
  if (!domain->connect(pids)) {
    warn_of_messages(world, "they cannot reach each other's sockets");
    return nullptr;
  }
  for (std::size_t i = 0; i < pids.size(); ++i) domain->peers_.add(domain->members()[i], pids[i]);
  domain->page_ = domain->memory(sizeof(Turnstile));
  if (domain->page_ == nullptr) return nullptr;
  domain->turnstile_ = reinterpret_cast<Turnstile*>(domain->page_->data());
  return domain;
}

std::size_t HostDomain::domain_of(int rank) const {
  const auto home = std::ranges::find_if(
      domains_, [&](const std::vector<int>& ranks) { return std::ranges::binary_search(ranks, rank); });
  return static_cast<std::size_t>(home - domains_.begin());
}

bool HostDomain::connect(const std::vector<std::int32_t>& pids) {
  std::string name;
  Descriptor listener(-1);
  if (is_first()) listener = listen_for_descriptors(name);
  Presence mine;
  name.copy(mine.listens.data(), mine.listens.size() - 1);
  const auto first = static_cast<std::size_t>(members().front());
  name = gather(world_, mine)[first].listens.data();
  std::vector<Descriptor> sockets;
  if (!is_first()) sockets.push_back(connect_for_descriptors(name));
  // Who has connected waits in the listener's queue.
  const bool reached = is_first() ? listener.get() >= 0 : sockets.front().get() >= 0;
  if (!all(reached)) return false;
  for (int rank = 1; is_first() && rank < size(); ++rank) sockets.push_back(accept_for_descriptors(listener));
  // As they came.
  if (is_first())
    std::ranges::sort(sockets, {}, [&](const Descriptor& socket) {
      return std::ranges::find(pids, process_at(socket)) - pids.begin();
    });
  const bool met = std::ranges::all_of(sockets, [](const Descriptor& one) { return one.get() >= 0; });
  files_ = FileHandover(rank(), size(), std::move(sockets));
  return all(met);
}

bool HostDomain::all(bool here) const {
  return agree_min(world_, static_cast<int>(here)).value != 0;
}

std::string HostDomain::refused(const std::function<void()>& work) const {
  try {
    together(world_, work);
  } catch (const AgreedFault& fault) {
    return fault.fact();
  }
  return "";
}

std::string HostDomain::cut_off(const std::function<void()>& work) {
  const std::string why = refused(work);
  if (why.empty()) return "";
  // Of a turn that failed something may still be on its way.
  files_.close();
  hands_over_ = false;
  warn_of_messages(world_, why);
  return why;
}

std::shared_ptr<SharedMemory> HostDomain::memory(std::size_t bytes, Pages pages) {
  if (!hands_over_) return nullptr;
  std::optional<Descriptor> made;
  std::string why = refused([&] {
    if (is_first()) made = SharedMemory::make(bytes, pages);
  });
  Descriptor file(-1);
  if (why.empty() && !cut_off([&] { file = files_.pass(made ? made->get() : -1, 0); }).empty())
    return nullptr;
  std::shared_ptr<SharedMemory> memory;
  if (why.empty()) why = refused([&] { memory = std::make_shared<SharedMemory>(file, bytes); });
  if (why.empty()) return memory;
  warn_of_messages(world_, why);
  return nullptr;
}

HostDomain::PeerMemories HostDomain::show_each_other(int file) {
  if (!hands_over_) return {};
  std::vector<Descriptor> files;
  const bool arrived = cut_off([&] {
                         for (int from = 0; from < size(); ++from) files.push_back(files_.pass(file, from));
                       }).empty();
  if (!arrived) return {};
  PeerMemories memories;
  const std::string why = refused([&] {
    for (int from = 0; from < size(); ++from)
      memories.push_back(
          from == rank() ? nullptr : std::make_unique<PeerMemory>(files[static_cast<std::size_t>(from)]));
  });
  if (why.empty()) return memories;
  if (world_.is_root()) log_warning("gradients are copied, not read where they are made: {}", why);
  return {};
}

void HostDomain::look_for_the_dead() const {
  for (const LocalPeers::Peer& peer : peers_.peers()) {
    pollfd wanted{peer.process.get(), POLLIN, 0};
    if (::poll(&wanted, 1, 0) == 1)
      throw Fault(ExitCode::kPeerLost, fmt::format("rank {} has ended", peer.rank),
                  "Start the job again: it resumes from the newest checkpoint");
  }
}

// Of a domain of one, too, so that all ranks of a world count alike.
void HostDomain::barrier(const char* name) {
  if (is_alone()) return;
  world_.watch().collective_begins(name, 0);
  if (size() > 1) wait_for_all();
  world_.watch().collective_ends();
}

void HostDomain::wait_for_all() {
  const std::uint32_t before = turnstile_->opened.load(std::memory_order_acquire);
  if (turnstile_->arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<std::uint32_t>(size())) {
    turnstile_->arrived.store(0, std::memory_order_relaxed);
    turnstile_->opened.fetch_add(1, std::memory_order_acq_rel);
    ::syscall(SYS_futex, &turnstile_->opened, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }
  // The others are often some microseconds behind; who waits longer gives the core away.
  constexpr int kLooks = 2000;
  for (int look = 0; look < kLooks && turnstile_->opened.load(std::memory_order_acquire) == before; ++look) {
  }
  while (turnstile_->opened.load(std::memory_order_acquire) == before) {
    const timespec moment{0, 20'000'000};
    ::syscall(SYS_futex, &turnstile_->opened, FUTEX_WAIT, before, &moment, nullptr, 0);
    if (turnstile_->opened.load(std::memory_order_acquire) == before) look_for_the_dead();
  }
}

}  // namespace lockstep
