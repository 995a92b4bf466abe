// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/descriptor.h"

namespace lockstep {

// What watchdogs say to each other.
struct WatchMessage {
  enum Kind : std::int32_t {
    kHello,    // body: the token
    kBeat,     // body: a Beat
    kGoodbye,  // `rank` ends by itself
    kDied,     // `rank` was seen to die
    kLeave,    // body: the cause; everybody leaves
    kStack     // body: where the training thread of `rank` is
  };
  Kind kind = kHello;
  std::int32_t rank = 0;
  std::string body;
};

// One TCP connection between two watchdogs. Never blocks and never throws: what does not fit is kept, and
// beats that pile up behind it are dropped. Local.
class WatchLink {
 public:
  explicit WatchLink(Descriptor socket);

  int fd() const { return socket_.get(); }
  void send(const WatchMessage& message);
  // Appends what has arrived whole. False once the other end is gone.
  bool receive(std::vector<WatchMessage>& into);

 private:
  void flush();

  Descriptor socket_;
  std::string out_;
  std::string in_;
};

// Where rank 0's watchdog listens; sent as it lies in memory.
struct WatchAddress {
  static constexpr int kMost = 12;
  char token[32] = {};
  std::int32_t port = 0;
  char hosts[kMost][48] = {};  // numeric, those of its own machine last
};

// Local. A socket that listens on all addresses, and what to tell the others. Empty where there is none to be
// had.
Descriptor listen_for_watchdogs(WatchAddress& address);

// Local. Tries the addresses one after the other, two seconds each; empty when none answers.
Descriptor connect_to_watchdog(const WatchAddress& address);

}  // namespace lockstep
