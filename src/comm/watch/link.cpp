// SPDX-License-Identifier: Apache-2.0
#include "comm/watch/link.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace lockstep {
namespace {

struct Head {
  std::int32_t kind;
  std::int32_t rank;
  std::uint32_t bytes;
};

constexpr std::uint32_t kMostBody = 1u << 20;
constexpr std::size_t kBacklog = 1u << 16;

}  // namespace

WatchLink::WatchLink(Descriptor socket) : socket_(std::move(socket)) {
  ::fcntl(fd(), F_SETFL, O_NONBLOCK);
  const int on = 1;
  ::setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void WatchLink::send(const WatchMessage& message) {
  if (message.kind == WatchMessage::kBeat && out_.size() > kBacklog) return;
  const Head head{message.kind, message.rank, static_cast<std::uint32_t>(message.body.size())};
  out_.append(reinterpret_cast<const char*>(&head), sizeof head);
  out_ += message.body;
  flush();
}

void WatchLink::flush() {
  while (!out_.empty()) {
    const ssize_t sent = ::send(fd(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0) return;
    out_.erase(0, static_cast<std::size_t>(sent));
  }
}

bool WatchLink::receive(std::vector<WatchMessage>& into) {
  flush();
  std::array<char, 4096> piece{};
  ssize_t got = 0;
  while ((got = ::recv(fd(), piece.data(), piece.size(), MSG_DONTWAIT)) > 0)
    in_.append(piece.data(), static_cast<std::size_t>(got));
  const bool there = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  Head head{};
  while (in_.size() >= sizeof head) {
    std::memcpy(&head, in_.data(), sizeof head);
    // Somebody else's bytes: whoever found the port is no watchdog.
    if (head.bytes > kMostBody) return false;
    if (in_.size() < sizeof head + head.bytes) break;
    into.push_back(
        {static_cast<WatchMessage::Kind>(head.kind), head.rank, in_.substr(sizeof head, head.bytes)});
    in_.erase(0, sizeof head + head.bytes);
  }
  return there;
}

}  // namespace lockstep
