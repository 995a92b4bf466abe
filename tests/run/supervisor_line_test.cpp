// SPDX-License-Identifier: Apache-2.0
#include "run/supervisor_line.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

namespace lockstep {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;

// A supervisor's end: listens on a free port of this machine.
class Listener {
 public:
  Listener() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(fd_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(fd_, 4);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { ::close(fd_); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int accept() const { return ::accept(fd_, nullptr, nullptr); }
  bool waits() const {
    timeval soon{0, 100000};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd_, &set);
    return ::select(fd_ + 1, &set, nullptr, nullptr, &soon) > 0;
  }

 private:
  int fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
  int port_ = 0;
};

// Everything a connection says until its end.
std::vector<json> all_of(int fd) {
  std::string text;
  char buffer[65536];
  for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(n));
  ::close(fd);
  std::vector<json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
  return lines;
}

TEST(SupervisorLine, RankZeroTellsTheStoryOfAnAttempt) {
  const Listener listener;
  {
    SupervisorLine line;
    line.join("secret@" + listener.address(), Rank(0));
    line.started({"/runs/a", Attempt(3), 4});
    line.resumed(Step(6));
    line.progress(Step(7));
    line.committed(Step(7));
    line.stopping(10);
    line.fault(ExitCode::kStorage, "the disk is\nfull", "node1");
    line.ended(ExitCode::kStorage);
  }
  const std::vector<json> lines = all_of(listener.accept());
  ASSERT_EQ(lines.size(), 8u);
  EXPECT_EQ(lines[0]["hello"], "secret");
  EXPECT_EQ(lines[0]["pid"], ::getpid());
  EXPECT_EQ(lines[1], (json{{"started", "/runs/a"}, {"attempt", 3}, {"ranks", 4}}));
  EXPECT_EQ(lines[2]["resumed"], 6);
  EXPECT_EQ(lines[3]["progress"], 7);
  EXPECT_EQ(lines[4]["committed"], 7);
  EXPECT_EQ(lines[5]["stopping"], 10);
  EXPECT_EQ(lines[6]["fault"], 74);
  EXPECT_EQ(lines[6]["step"], 7);
  EXPECT_EQ(lines[6]["message"], "the disk is\nfull");
  EXPECT_EQ(lines[6]["host"], "node1");
  EXPECT_EQ(lines[7]["ended"], 74);
}

TEST(SupervisorLine, AnotherRankConnectsOnlyForAFaultAndKnowsItsStep) {
  const Listener listener;
  {
    SupervisorLine line;
    line.join("t@" + listener.address(), Rank(2));
    line.progress(Step(41));
    EXPECT_FALSE(listener.waits());
    line.fault(ExitCode::kBug, "broken");
  }
  const std::vector<json> lines = all_of(listener.accept());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1]["rank"], 2);
  EXPECT_EQ(lines[1]["step"], 41);
}

TEST(SupervisorLine, TheNextAddressIsTriedWhereOneDoesNotAnswer) {
  const Listener listener;
  {
    SupervisorLine line;
    line.join("t@127.0.0.1:1," + listener.address(), Rank(0));
    line.ended(ExitCode::kDone);
  }
  EXPECT_EQ(all_of(listener.accept()).size(), 2u);
}

TEST(SupervisorLine, WithoutASupervisorItDoesNothing) {
  SupervisorLine line;
  for (const char* address : {"", "no-at-sign", "t@", "t@127.0.0.1:1", "t@nonsense"}) {
    line.join(address, Rank(0));
    line.committed(Step(1));
    line.fault(ExitCode::kBug, "x");
  }
}

TEST(SupervisorLine, ASupervisorThatDoesNotReadIsNotWaitedFor) {
  const Listener listener;
  SupervisorLine line;
  line.join("t@" + listener.address(), Rank(0));
  const int never_read = listener.accept();
  const auto begin = steady_clock::now();
  for (int step = 1; step <= 300000; ++step) line.committed(Step(step));
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(5));
  ::close(never_read);
  line.ended(ExitCode::kDone);  // nor does one that has gone away end the process
}

}  // namespace
}  // namespace lockstep
