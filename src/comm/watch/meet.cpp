// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "comm/watch/peers.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

// Of one rank; sent as it lies in memory.
struct Card {
  char host[64] = {};
  std::int32_t pid = 0;
  std::uint64_t pids_of = 0;  // which processes a pid counts among
  std::int32_t reached = 1;
};

Card own_card(const World& world) {
  Card card;
  std::strncpy(card.host, world.place().host.c_str(), sizeof card.host - 1);
  card.pid = ::getpid();
  struct stat status {};
  if (::stat("/proc/self/ns/pid", &status) == 0) card.pids_of = status.st_ino;
  return card;
}

std::vector<Card> gather(Communicator& group, const Card& mine) {
  std::vector<Card> all(static_cast<std::size_t>(group.size().value));
  group.all_gather({&mine, sizeof mine, DType::kUInt8},
                   {all.data(), sizeof(Card) * all.size(), DType::kUInt8});
  return all;
}

}  // namespace

WatchPeers WatchPeers::meet(World& world) {
  Communicator& group = world.host();
  WatchPeers peers(world.rank().value);
  if (world.size().value == 1) return peers;
  WatchAddress address;
  if (world.is_root()) peers.listener_ = listen_for_watchdogs(address);
  group.broadcast({&address, sizeof address, DType::kUInt8}, Rank{0});
  peers.token_ = address.token;
  Card mine = own_card(world);
  if (!world.is_root()) {
    Descriptor socket = connect_to_watchdog(address);
    mine.reached = socket.get() >= 0 ? 1 : 0;
    if (mine.reached != 0) peers.connections_.push_back({WatchLink(std::move(socket)), 0});
    if (mine.reached != 0) peers.send({WatchMessage::kHello, peers.rank_, peers.token_});
  }
  const std::vector<Card> cards = gather(group, mine);
  for (std::size_t rank = 0; rank < cards.size(); ++rank) {
    const Card& card = cards[rank];
    const int number = static_cast<int>(rank);
    const bool reached = card.reached != 0 && (number != 0 || mine.reached != 0);
    peers.views_.push_back({card.host, {}, Time::now(), !reached, false});
    peers.views_.back().beat.rank = number;
    if (!reached && world.is_root())
      log_warning("rank {} ({}) cannot reach rank 0's watchdog at port {}: it watches itself alone", rank,
                  card.host, address.port);
    if (number == peers.rank_ || std::strcmp(card.host, mine.host) != 0 || card.pids_of != mine.pids_of)
      continue;
    peers.local_.add(number, card.pid);
  }
  return peers;
}

}  // namespace lockstep
