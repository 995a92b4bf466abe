// SPDX-License-Identifier: Apache-2.0
#include "comm/watch/peers.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace lockstep {

WatchPeers::News WatchPeers::wait(int wake, std::chrono::milliseconds limit) {
  std::vector<pollfd> polled = {{wake, POLLIN, 0}};
  if (listener_.get() >= 0) polled.push_back({listener_.get(), POLLIN, 0});
  for (const Connection& connection : connections_) polled.push_back({connection.link.fd(), POLLIN, 0});
  for (const LocalPeers::Peer& peer : local_.peers()) polled.push_back({peer.process.get(), POLLIN, 0});
  ::poll(polled.data(), polled.size(), static_cast<int>(limit.count()));
  News news;
  accept_all();
  // Before the processes: a goodbye may lie there of one that has ended since.
  for (Connection& connection : connections_) read(connection, news);
  std::erase_if(connections_, [](const Connection& connection) { return connection.rank == -2; });
  const std::size_t first = polled.size() - local_.peers().size();
  std::vector<int> ended;
  for (std::size_t i = first; i < polled.size(); ++i)
    if ((polled[i].revents & POLLIN) != 0) ended.push_back(local_.peers()[i - first].rank);
  for (const int rank : ended) {
    local_.forget(rank);
    note_death(rank, news);
  }
  return news;
}

void WatchPeers::accept_all() {
  if (listener_.get() < 0) return;
  int socket = -1;
  while ((socket = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)) >= 0)
    connections_.push_back({WatchLink(Descriptor(socket)), -1});
}

void WatchPeers::read(Connection& connection, News& news) {
  std::vector<WatchMessage> messages;
  const bool there = connection.link.receive(messages);
  for (const WatchMessage& message : messages) take(message, connection, news);
  if (there) return;
  if (connection.rank >= 0) note_death(connection.rank, news);
  connection.rank = -2;
}

void WatchPeers::take(const WatchMessage& message, Connection& from, News& news) {
  const auto rank = static_cast<std::size_t>(message.rank);
  if (message.rank < 0 || rank >= views_.size()) return;
  if (message.kind == WatchMessage::kHello && from.rank == -1 && message.body == token_)
    from.rank = message.rank;
  if (from.rank < 0) return;
  Known& known = views_[rank];
  switch (message.kind) {
    case WatchMessage::kBeat:
      if (message.body.size() != sizeof(Beat)) break;
      std::memcpy(static_cast<void*>(&known.beat), message.body.data(), sizeof(Beat));
      known.heard = Time::now();
      news.beats.push_back(known.beat);
      break;
    case WatchMessage::kGoodbye:
      known.left = true;
      break;
    case WatchMessage::kDied:
      note_death(message.rank, news);
      break;
    case WatchMessage::kLeave:
      news.leave = message.body;
      break;
    case WatchMessage::kStack:
      news.stacks.push_back(message);
      break;
    case WatchMessage::kHello:
      break;
  }
}

void WatchPeers::note_death(int rank, News& news) {
  Known& known = views_[static_cast<std::size_t>(rank)];
  if (known.left || known.died) return;
  known.died = true;
  // Only rank 0 knows who has said goodbye; of rank 0 itself everybody does.
  if (is_root() || rank == 0)
    news.died.push_back(rank);
  else
    send({WatchMessage::kDied, rank, ""});
}

void WatchPeers::tell(const Beat& mine) {
  send({WatchMessage::kBeat, rank_, std::string(reinterpret_cast<const char*>(&mine), sizeof mine)});
}

void WatchPeers::send(const WatchMessage& message) {
  for (Connection& connection : connections_)
    if (connection.rank >= 0) connection.link.send(message);
}

std::vector<RankView> WatchPeers::views(const Beat& mine, double silence_limit) const {
  std::vector<RankView> seen;
  for (std::size_t i = 0; i < std::max<std::size_t>(views_.size(), 1); ++i) {
    const int rank = views_.empty() ? rank_ : static_cast<int>(i);
    const bool own = rank == rank_;
    if (!own && !is_root() && rank != 0) continue;
    RankView view{rank, host_of(rank), own ? mine : views_[i].beat};
    view.silence_limit = silence_limit;
    if (!own) {
      view.silent_s = std::chrono::duration<double>(Time::now() - views_[i].heard).count();
      view.left = views_[i].left || views_[i].died;
    }
    seen.push_back(std::move(view));
  }
  return seen;
}

const std::string& WatchPeers::host_of(int rank) const {
  static const std::string kNone;
  return views_.empty() ? kNone : views_[static_cast<std::size_t>(rank)].host;
}

bool WatchPeers::hears_root() const {
  return std::ranges::any_of(connections_, [](const Connection& connection) { return connection.rank == 0; });
}

void WatchPeers::pardon() {
  for (Known& known : views_) known.heard = Time::now();
}

void WatchPeers::end(const std::vector<int>& ranks) const {
  for (const int rank : ranks) local_.end(rank);
}

}  // namespace lockstep
