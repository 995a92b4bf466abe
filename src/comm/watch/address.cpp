// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <vector>

#include "comm/watch/link.h"

namespace lockstep {
namespace {

constexpr int kConnectMs = 2000;

std::string text_of(const sockaddr* address) {
  std::array<char, 48> text{};
  const void* bytes = nullptr;
  if (address->sa_family == AF_INET)
    bytes = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
  else
    bytes = &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  return ::inet_ntop(address->sa_family, bytes, text.data(), text.size()) == nullptr ? "" : text.data();
}

// Numeric addresses of this machine: IPv4, IPv6, then those that only this machine can reach.
std::vector<std::string> own_addresses() {
  std::array<std::vector<std::string>, 3> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_UP) == 0) continue;
    const int family = one->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const bool loopback = (one->ifa_flags & IFF_LOOPBACK) != 0;
    const bool link_local =
        family == AF_INET6 &&
        IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr);
    if (!link_local) found[loopback ? 2 : family == AF_INET6].push_back(text_of(one->ifa_addr));
  }
  ::freeifaddrs(list);
  for (const std::size_t later : {1, 2})
    found[0].insert(found[0].end(), found[later].begin(), found[later].end());
  return found[0];
}

Descriptor connect_to(const char* host, int port) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_in);
  auto* four = reinterpret_cast<sockaddr_in*>(&storage);
  auto* six = reinterpret_cast<sockaddr_in6*>(&storage);
  if (::inet_pton(AF_INET, host, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(static_cast<std::uint16_t>(port));
  } else if (::inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(static_cast<std::uint16_t>(port));
    length = sizeof(sockaddr_in6);
  } else {
    return Descriptor(-1);
  }
  Descriptor socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() < 0) return socket;
  ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&storage), length);
  pollfd ready{socket.get(), POLLOUT, 0};
  int error = ETIMEDOUT;
  socklen_t size = sizeof error;
  if (::poll(&ready, 1, kConnectMs) == 1) ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? std::move(socket) : Descriptor(-1);
}

}  // namespace

Descriptor listen_for_watchdogs(WatchAddress& address) {
  std::array<unsigned char, 15> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
    return Descriptor(-1);
  for (std::size_t i = 0; i < random.size(); ++i)
    fmt::format_to_n(address.token + 2 * i, 2, "{:02x}", random[i]);
  // Takes IPv4 too.
  Descriptor socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int off = 0;
  if (socket.get() >= 0) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  sockaddr_storage any{};
  socklen_t length = sizeof(sockaddr_in6);
  any.ss_family = AF_INET6;
  if (socket.get() < 0 || ::bind(socket.get(), reinterpret_cast<sockaddr*>(&any), length) != 0) {
    socket = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    any.ss_family = AF_INET;
    length = sizeof(sockaddr_in);
    if (socket.get() < 0 || ::bind(socket.get(), reinterpret_cast<sockaddr*>(&any), length) != 0)
      return Descriptor(-1);
  }
  if (::listen(socket.get(), SOMAXCONN) != 0) return Descriptor(-1);
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&any), &length);
  address.port = ntohs(any.ss_family == AF_INET ? reinterpret_cast<sockaddr_in*>(&any)->sin_port
                                                : reinterpret_cast<sockaddr_in6*>(&any)->sin6_port);
  int count = 0;
  for (const std::string& host : own_addresses())
    if (count < WatchAddress::kMost && host.size() < sizeof address.hosts[0])
      std::strcpy(address.hosts[count++], host.c_str());
  return socket;
}

Descriptor connect_to_watchdog(const WatchAddress& address) {
  for (const auto& host : address.hosts) {
    if (host[0] == 0 || address.port == 0) continue;
    Descriptor socket = connect_to(host, address.port);
    if (socket.get() >= 0) return socket;
  }
  return Descriptor(-1);
}

}  // namespace lockstep
