// SPDX-License-Identifier: Apache-2.0
#include "run/supervisor_line.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "run/gate.h"

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kConnectLimit{1000};
constexpr milliseconds kLastWordsLimit{1000};
constexpr milliseconds kProgressEvery{50};
constexpr std::size_t kMostUnsent = 1u << 16;

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

bool ready_within(int fd, milliseconds limit) {
  pollfd wanted{fd, POLLOUT, 0};
  return ::poll(&wanted, 1, static_cast<int>(limit.count())) > 0;
}

// A connected non-blocking socket, or -1.
int connect_to(const addrinfo& address, milliseconds limit) {
  const int fd = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  int error = ::connect(fd, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  socklen_t size = sizeof error;
  if (error == EINPROGRESS)
    if (!ready_within(fd, limit) || ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = EIO;
  if (error != 0) {
    ::close(fd);
    return -1;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

std::string host_name() {
  char name[256] = "?";
  ::gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

SupervisorLine& supervisor_line() {
  static SupervisorLine line;
  return line;
}

SupervisorLine::~SupervisorLine() {
  if (fd_ >= 0) ::close(fd_);
}

bool SupervisorLine::pass_gate(const std::string& gate) {
  knows_gates_ = true;
  return gate.empty() || lockstep::pass_gate(gate);
}

void SupervisorLine::join(const std::string& address, Rank rank) {
  const std::lock_guard guard(mutex_);
  rank_ = rank;
  const auto at = address.find('@');
  if (at == std::string::npos) return;
  token_ = address.substr(0, at);
  for (std::size_t begin = at + 1; begin < address.size();) {
    const std::size_t end = std::min(address.find(',', begin), address.size());
    const std::string one = address.substr(begin, end - begin);
    if (const auto colon = one.rfind(':'); colon != std::string::npos)
      addresses_.emplace_back(one.substr(0, colon), one.substr(colon + 1));
    begin = end + 1;
  }
  if (rank.value == 0) connect();
}

void SupervisorLine::connect() {
  const auto deadline = steady_clock::now() + kConnectLimit;
  const auto share = kConnectLimit / static_cast<int>(addresses_.size() + 1);
  for (const auto& [host, port] : addresses_) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;  // a name server that is away must not hold us up
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) continue;
    fd_ = connect_to(*found, share);
    ::freeaddrinfo(found);
    if (fd_ >= 0 || steady_clock::now() > deadline) break;
  }
  if (fd_ < 0) return addresses_.clear();  // it is not tried again
  unsent_ = text_of({{"hello", token_},
                     {"rank", rank_.value},
                     {"host", host_name()},
                     {"pid", static_cast<int>(::getpid())},
                     {"gate", knows_gates_ ? 1 : 0}});
}

bool SupervisorLine::flush() {
  while (!unsent_.empty()) {
    const ssize_t n = ::send(fd_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno != EAGAIN && errno != EWOULDBLOCK;
    unsent_.erase(0, static_cast<std::size_t>(n));
  }
  return true;
}

void SupervisorLine::send(const std::string& line, milliseconds patience) {
  if (fd_ < 0) return;
  if (unsent_.size() + line.size() > kMostUnsent) return;
  unsent_ += line;
  const auto deadline = steady_clock::now() + patience;
  while (!flush()) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
    if (left <= milliseconds(0) || !ready_within(fd_, left)) return;
  }
}

void SupervisorLine::started(const AttemptBegin& begin) {
  const std::lock_guard guard(mutex_);
  send(text_of({{"started", begin.run_directory}, {"attempt", begin.attempt.value}, {"ranks", begin.ranks}}),
       milliseconds(0));
}

void SupervisorLine::resumed(Step step) {
  const std::lock_guard guard(mutex_);
  send(text_of({{"resumed", step.value}}), milliseconds(0));
}

void SupervisorLine::progress(Step step) {
  const std::lock_guard guard(mutex_);
  step_ = step;
  if (fd_ < 0) return;
  const auto now = steady_clock::now();
  if (now - last_progress_ < kProgressEvery) return;
  last_progress_ = now;
  send(text_of({{"progress", step.value}}), milliseconds(0));
}

void SupervisorLine::committed(Step step) {
  const std::lock_guard guard(mutex_);
  send(text_of({{"committed", step.value}}), milliseconds(0));
}

void SupervisorLine::stopping(int signal) {
  const std::lock_guard guard(mutex_);
  send(text_of({{"stopping", signal}}), milliseconds(0));
}

void SupervisorLine::fault(ExitCode code, const std::string& message, const std::string& host) {
  const std::lock_guard guard(mutex_);
  if (fd_ < 0 && !addresses_.empty()) connect();
  Json json = {{"fault", static_cast<int>(code)},
               {"step", step_.value},
               {"rank", rank_.value},
               {"message", message.substr(0, kMostUnsent / 8)}};
  if (!host.empty()) json["host"] = host;
  send(text_of(json), kLastWordsLimit);
}

void SupervisorLine::ended(ExitCode code) {
  const std::lock_guard guard(mutex_);
  send(text_of({{"ended", static_cast<int>(code)}}), kLastWordsLimit);
}

}  // namespace lockstep
