// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "comm/watch/judge.h"
#include "comm/watch/link.h"
#include "comm/watch/local_peers.h"
#include "lockstep/comm/world.h"

namespace lockstep {

// The other ranks as one watchdog knows them: a star whose middle is rank 0. Used by the watchdog's thread
// alone; Local but for meet().
class WatchPeers {
 public:
  using Time = std::chrono::steady_clock;

  // What happened since the last call.
  struct News {
    std::vector<int> died;             // a process ended without a goodbye
    std::optional<std::string> leave;  // rank 0 says so, and why
    std::vector<WatchMessage> stacks;  // kStack
    std::vector<Beat> beats;
  };

  // A rank alone.
  explicit WatchPeers(int rank) : rank_(rank) {}
  // Collective. Rank 0 listens, the others connect.
  static WatchPeers meet(World& world);

  int rank() const { return rank_; }
  bool is_root() const { return rank_ == 0; }
  bool alone() const { return views_.size() < 2; }
  // Not of rank 0: there is a connection to it that it has not closed.
  bool hears_root() const;

  // Waits for news, `limit` at most or until `wake` can be read.
  News wait(int wake, std::chrono::milliseconds limit);

  void tell(const Beat& mine);
  // To the middle, or from there to everybody.
  void send(const WatchMessage& message);

  // All ranks on rank 0; else this rank and rank 0. `mine` is of now.
  std::vector<RankView> views(const Beat& mine, double silence_limit) const;
  const std::string& host_of(int rank) const;
  // Nobody has been silent so far.
  void pardon();
  // SIGKILL to those of `ranks` that run on this host.
  void end(const std::vector<int>& ranks) const;

 private:
  struct Known {
    std::string host;
    Beat beat;
    Time::time_point heard;
    bool left = false;
    bool died = false;
  };
  struct Connection {
    WatchLink link;
    int rank;  // -1: it has not said hello
  };
  void accept_all();
  void read(Connection& connection, News& news);
  void take(const WatchMessage& message, Connection& from, News& news);
  void note_death(int rank, News& news);

  int rank_;
  std::vector<Known> views_;
  std::string token_;
  Descriptor listener_{-1};
  std::vector<Connection> connections_;
  LocalPeers local_;
};

}  // namespace lockstep
