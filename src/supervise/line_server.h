// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "supervise/policy.h"

namespace lockstep {

// What the ranks of an attempt have told so far (run/supervisor_line.h).
struct AttemptStory {
  using Time = std::chrono::steady_clock::time_point;

  std::string run_directory;  // empty: rank 0 has none yet
  int attempt = 0;
  int ranks = 0;
  std::string host;  // of rank 0
  pid_t pid = 0;
  bool knows_gates = false;  // its program waits where it is told to (run/gate.h)
  std::optional<std::int64_t> resumed;
  std::int64_t step = 0;  // the last that began
  std::optional<std::int64_t> committed;
  std::optional<ReportedFault> fault;  // the first
  std::optional<int> ended;
  // When: a rank spoke, training went on behind `resumed`, the first step was done, the last word before the
  // end.
  std::optional<Time> joined;
  std::optional<Time> trained;
  std::optional<Time> stepped;
  std::optional<Time> last_word;

  Reach reach() const;
};

// Local. How many steps an attempt has computed for nothing: those begun behind what is saved. As far as the
// ranks have told it.
std::int64_t steps_lost(const AttemptFacts& facts, const AttemptStory& story);

// The supervisor's end of the lines from the ranks: a TCP port and a token that no other program knows.
// Local; one thread; nothing waits.
class LineServer {
 public:
  // On all addresses of this machine, or on the one alone that only itself reaches. Throws Fault (69).
  explicit LineServer(bool all_addresses = true);

  // For LOCKSTEP_SUPERVISOR. Each attempt has a token of its own: what one from before says is not heard.
  const std::string& address() const { return address_; }
  const std::string& token() const { return token_; }
  // What address() is going to be for an attempt that begins later.
  std::string reserve() const;
  // A new attempt begins: a new token, or that of an address that was reserved, and an empty story.
  void begin_attempt() { begin_attempt(reserve()); }
  void begin_attempt(const std::string& reserved);
  // Readable when there is something to hear.
  int fd() const { return poll_.get(); }
  // Takes in what the ranks have sent.
  void hear();

  const AttemptStory& story() const { return story_; }
  // The same as facts of an attempt, as far as it is known here: code, fault, reach, step, committed, lasted.
  AttemptFacts facts() const;
  // Absolute, as rank 0 says it; empty until then.
  const std::string& run_directory() const { return story_.run_directory; }
  bool committed_ever() const { return committed_ever_ || story_.committed.has_value(); }
  // Since the attempt began.
  std::chrono::milliseconds age() const;

 private:
  struct Line {
    explicit Line(int number) : fd(number) {}
    Descriptor fd;
    std::string unread;
    int rank = -1;  // -1: it has not said the token yet
  };

  bool read(Line& line);
  bool hear(Line& line, const std::string& text);

  void admit();

  Descriptor listener_;
  Descriptor poll_;
  std::string hosts_;  // "127.0.0.1,10.0.0.1"
  std::string token_;
  std::string address_;
  std::vector<std::unique_ptr<Line>> lines_;
  AttemptStory story_;
  bool committed_ever_ = false;
  std::chrono::steady_clock::time_point begun_;
};

}  // namespace lockstep
