// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/base/units.h"

namespace lockstep {

// What rank 0 knows about an attempt when it has the run directory.
struct AttemptBegin {
  std::string run_directory;  // absolute
  Attempt attempt{1};
  int ranks = 1;
};

// The line from a rank to the supervisor that started it: JSON lines over TCP, one way. It does nothing
// where there is no supervisor; a message that does not go out at once is dropped, so training never waits
// for it, and none of the functions throws. Any thread. Rank 0 tells the story; every rank may say `fault`.
// Local.
class SupervisorLine {
 public:
  SupervisorLine() = default;
  ~SupervisorLine();
  SupervisorLine(const SupervisorLine&) = delete;
  SupervisorLine& operator=(const SupervisorLine&) = delete;

  // First of all: waits where `gate` is LOCKSTEP_GATE, and not where it is empty. False: leave (run/gate.h).
  // To call it is what tells the supervisor that this program's next attempt may stand by.
  bool pass_gate(const std::string& gate);
  // `address` is LOCKSTEP_SUPERVISOR, <token>@host:port[,host:port…], or empty: no supervisor. Rank 0
  // connects here, which takes a second at most; the others when they have something to say.
  void join(const std::string& address, Rank rank);

  void started(const AttemptBegin& begin);
  // Training goes on behind this step: what came before was start-up.
  void resumed(Step step);
  // Step `step` begins. Sent twenty times a second at most; remembered on every rank, for fault().
  void progress(Step step);
  void committed(Step step);
  void stopping(int signal);
  // The two that are worth a wait, of one second at most: after them the process ends. `host` is the one that
  // is at fault, where it is known to be a host's.
  void fault(ExitCode code, const std::string& message, const std::string& host = "");
  void ended(ExitCode code);

 private:
  void connect();
  void send(const std::string& line, std::chrono::milliseconds patience);
  bool flush();

  std::mutex mutex_;
  std::string token_;
  std::vector<std::pair<std::string, std::string>> addresses_;  // host, port
  Rank rank_{0};
  bool knows_gates_ = false;
  int fd_ = -1;
  std::string unsent_;
  Step step_{0};
  std::chrono::steady_clock::time_point last_progress_;
};

// This process's line; like the log, one for all threads.
SupervisorLine& supervisor_line();

}  // namespace lockstep
