// SPDX-License-Identifier: Apache-2.0
#include "supervise/line_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using Json = nlohmann::json;

// A line is a few hundred bytes; a stranger's may be anything.
constexpr std::size_t kLongestLine = 1u << 16;
constexpr std::size_t kMostLines = 1024;

// Those by which another machine may reach this one, then its own.
std::vector<std::string> own_addresses(bool all) {
  std::vector<std::string> found;
  ifaddrs* first = nullptr;
  if (all && ::getifaddrs(&first) == 0) {
    for (const ifaddrs* one = first; one != nullptr; one = one->ifa_next) {
      const bool usable = one->ifa_addr != nullptr && one->ifa_addr->sa_family == AF_INET &&
                          (one->ifa_flags & IFF_UP) != 0 && (one->ifa_flags & IFF_LOOPBACK) == 0;
      char text[INET_ADDRSTRLEN];
      if (usable && ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr, text,
                                sizeof text) != nullptr)
        found.emplace_back(text);
    }
    ::freeifaddrs(first);
  }
  found.emplace_back("127.0.0.1");
  return found;
}

int open_listener(bool all_addresses) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(all_addresses ? INADDR_ANY : INADDR_LOOPBACK);
  if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd, SOMAXCONN) != 0)
    throw Fault(ExitCode::kCannotStart, "no TCP port can be had for the ranks to speak to the supervisor",
                "Look at the limits of open files and of the network here");
  return fd;
}

int port_of(int fd) {
  sockaddr_in own{};
  socklen_t size = sizeof own;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size);
  return ntohs(own.sin_port);
}

void watch(int poll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  ::epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

std::string random_word() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw Fault(ExitCode::kCannotStart, "this machine gives no random numbers");
  std::string word;
  for (const unsigned char byte : bytes) word += fmt::format("{:02x}", byte);
  return word;
}

// A member of a message, where it is there and of that kind.
template <class T>
std::optional<T> member(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end()) return std::nullopt;
  if constexpr (std::is_same_v<T, std::string>) {
    if (!found->is_string()) return std::nullopt;
  } else if (!found->is_number_integer()) {
    return std::nullopt;
  }
  return found->get<T>();
}

void add(AttemptStory& story, const Json& json, int rank) {
  const auto now = std::chrono::steady_clock::now();
  if (const auto code = member<int>(json, "fault"); code && !story.fault) {
    story.fault = ReportedFault{*code, member<std::int64_t>(json, "step").value_or(0),
                                member<std::string>(json, "message").value_or(""),
                                member<std::string>(json, "host").value_or("")};
    story.last_word = now;
  }
  if (rank != 0) return;
  if (const auto directory = member<std::string>(json, "started")) {
    story.run_directory = *directory;
    story.attempt = member<int>(json, "attempt").value_or(0);
    story.ranks = member<int>(json, "ranks").value_or(0);
  }
  if (const auto step = member<std::int64_t>(json, "resumed")) {
    story.resumed = step;
    story.trained = now;
  }
  if (const auto step = member<std::int64_t>(json, "progress")) {
    story.step = *step;
    if (!story.stepped && story.resumed && *step > *story.resumed + 1) story.stepped = now;
  }
  if (const auto step = member<std::int64_t>(json, "committed")) story.committed = step;
  if (const auto code = member<int>(json, "ended")) {
    story.ended = code;
    story.last_word = now;
  }
}

}  // namespace

Reach AttemptStory::reach() const {
  if (resumed) return Reach::kTraining;
  return joined ? Reach::kRanks : Reach::kNothing;
}

std::int64_t steps_lost(const AttemptFacts& facts, const AttemptStory& story) {
  const bool saved = facts.code == 0 || facts.code == static_cast<int>(ExitCode::kRequeue);
  const std::int64_t kept = facts.committed.value_or(story.resumed.value_or(0));
  return saved ? 0 : std::max<std::int64_t>(0, facts.step - 1 - kept);
}

LineServer::LineServer(bool all_addresses)
    : listener_(open_listener(all_addresses)), poll_(::epoll_create1(EPOLL_CLOEXEC)) {
  watch(poll_.get(), listener_.get());
  const int port = port_of(listener_.get());
  for (const std::string& host : own_addresses(all_addresses))
    hosts_ += fmt::format("{}{}:{}", hosts_.empty() ? "" : ",", host, port);
  begin_attempt();
}

std::string LineServer::reserve() const {
  return random_word() + "@" + hosts_;
}

void LineServer::begin_attempt(const std::string& reserved) {
  committed_ever_ = committed_ever();
  lines_.clear();
  address_ = reserved;
  token_ = reserved.substr(0, reserved.find('@'));
  story_ = {};
  begun_ = std::chrono::steady_clock::now();
}

std::chrono::milliseconds LineServer::age() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun_);
}

AttemptFacts LineServer::facts() const {
  AttemptFacts facts;
  facts.fault = story_.fault;
  facts.code = story_.fault ? story_.fault->code : story_.ended.value_or(0);
  facts.reach = story_.reach();
  facts.step = story_.step;
  facts.committed = story_.committed;
  facts.lasted = age();
  return facts;
}

void LineServer::hear() {
  admit();
  std::erase_if(lines_, [this](const auto& line) { return !read(*line); });
}

void LineServer::admit() {
  for (;;) {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    if (lines_.size() >= kMostLines) lines_.erase(lines_.begin());
    watch(poll_.get(), fd);
    lines_.push_back(std::make_unique<Line>(fd));
  }
}

// False at its end.
bool LineServer::read(Line& line) {
  char buffer[4096];
  for (;;) {
    const ssize_t n = retry_interrupted([&] { return ::recv(line.fd.get(), buffer, sizeof buffer, 0); });
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    if (n == 0) return false;
    line.unread.append(buffer, static_cast<std::size_t>(n));
    for (std::size_t end = 0; (end = line.unread.find('\n')) != std::string::npos;) {
      if (!hear(line, line.unread.substr(0, end))) return false;
      line.unread.erase(0, end + 1);
    }
    if (line.unread.size() > kLongestLine) return false;
  }
}

bool LineServer::hear(Line& line, const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return false;
  if (line.rank >= 0) {
    add(story_, json, line.rank);
    return true;
  }
  if (member<std::string>(json, "hello") != token_) return false;
  line.rank = std::max(0, member<int>(json, "rank").value_or(0));
  if (!story_.joined) story_.joined = std::chrono::steady_clock::now();
  if (line.rank == 0) {
    story_.host = member<std::string>(json, "host").value_or("");
    story_.pid = member<int>(json, "pid").value_or(0);
    story_.knows_gates = member<int>(json, "gate").value_or(0) != 0;
  }
  return true;
}

}  // namespace lockstep
