// SPDX-License-Identifier: Apache-2.0
#include "comm/domain/descriptor_socket.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

namespace lockstep {
namespace {

// Who is asked to has been told so; longer than a busy machine takes.
constexpr int kSeconds = 20;

// Of each socket, for one that accept() makes has nothing of its listener's.
Descriptor patient(Descriptor socket) {
  const timeval limit{kSeconds, 0};
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO})
    if (socket.get() < 0 || ::setsockopt(socket.get(), SOL_SOCKET, option, &limit, sizeof limit) != 0)
      return Descriptor(-1);
  return socket;
}

Descriptor new_socket() {
  return patient(Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
}

struct Address {
  explicit Address(const std::string& name) {
    at.sun_family = AF_UNIX;
    // A name that begins with 0 is in no folder.
    std::memcpy(at.sun_path + 1, name.data(), std::min(name.size(), sizeof at.sun_path - 1));
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&at); }

  sockaddr_un at{};
  socklen_t length;
};

// What stands beside a descriptor.
struct Label {
  std::uint64_t turn = 0;
  std::uint64_t bytes = 0;  // of the file

  bool operator==(const Label&) const = default;
};

std::optional<Label> label_of(const Descriptor& file, std::uint64_t turn) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return std::nullopt;
  return Label{turn, static_cast<std::uint64_t>(status.st_size)};
}

// A label with room for one descriptor beside it.
struct Message {
  Message() {
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
  }

  Label label;
  iovec part{&label, sizeof label};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr header{};
};

std::optional<ucred> peer_of(const Descriptor& socket) {
  ucred peer{};
  socklen_t length = sizeof peer;
  const bool said =
      socket.get() >= 0 && ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
  return said ? std::optional(peer) : std::nullopt;
}

}  // namespace

Descriptor listen_for_descriptors(std::string& name) {
  std::array<std::uint64_t, 2> token{};
  if (::getrandom(token.data(), sizeof token, 0) != sizeof token) return Descriptor(-1);
  name = fmt::format("lockstep-{:016x}{:016x}", token[0], token[1]);
  Descriptor socket = new_socket();
  const Address address(name);
  const bool listens = socket.get() >= 0 && ::bind(socket.get(), address.get(), address.length) == 0 &&
                       ::listen(socket.get(), SOMAXCONN) == 0;
  return listens ? std::move(socket) : Descriptor(-1);
}

Descriptor connect_for_descriptors(const std::string& name) {
  Descriptor socket = new_socket();
  const Address address(name);
  const auto connect = [&] { return ::connect(socket.get(), address.get(), address.length); };
  return socket.get() >= 0 && retry_interrupted(connect) == 0 ? std::move(socket) : Descriptor(-1);
}

Descriptor accept_for_descriptors(const Descriptor& listener) {
  pollfd wanted{listener.get(), POLLIN, 0};
  const auto wait = [&] { return ::poll(&wanted, 1, kSeconds * 1000); };
  if (retry_interrupted(wait) != 1) return Descriptor(-1);
  Descriptor socket = patient(Descriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  const std::optional<ucred> peer = peer_of(socket);
  return peer && peer->uid == ::geteuid() ? std::move(socket) : Descriptor(-1);
}

pid_t process_at(const Descriptor& socket) {
  const std::optional<ucred> peer = peer_of(socket);
  return peer ? peer->pid : 0;
}

bool send_descriptor(const Descriptor& socket, const Descriptor& file, std::uint64_t turn) {
  Message message;
  const std::optional<Label> label = label_of(file, turn);
  if (!label) return false;
  message.label = *label;
  cmsghdr* const beside = CMSG_FIRSTHDR(&message.header);
  beside->cmsg_level = SOL_SOCKET;
  beside->cmsg_type = SCM_RIGHTS;
  beside->cmsg_len = CMSG_LEN(sizeof(int));
  const int number = file.get();
  std::memcpy(CMSG_DATA(beside), &number, sizeof number);
  const auto send = [&] { return ::sendmsg(socket.get(), &message.header, MSG_NOSIGNAL); };
  return retry_interrupted(send) == static_cast<ssize_t>(sizeof message.label);
}

Descriptor receive_descriptor(const Descriptor& socket, std::uint64_t turn) {
  Message message;
  const auto receive = [&] { return ::recvmsg(socket.get(), &message.header, MSG_CMSG_CLOEXEC); };
  const bool whole = retry_interrupted(receive) == static_cast<ssize_t>(sizeof message.label);
  const cmsghdr* const beside = CMSG_FIRSTHDR(&message.header);
  if (!whole || beside == nullptr || beside->cmsg_type != SCM_RIGHTS) return Descriptor(-1);
  int number = -1;
  std::memcpy(&number, CMSG_DATA(beside), sizeof number);
  Descriptor file(number);
  return label_of(file, turn) == message.label ? std::move(file) : Descriptor(-1);
}

}  // namespace lockstep
