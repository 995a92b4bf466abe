// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"

namespace lockstep {

// A program and all it starts on this machine, in a process session of its own: a terminal's Ctrl-C does not
// reach it. It outlives this process. What it writes to standard error is read here. Local; one thread.
class ProcessSession {
 public:
  // With `environment` on top of this process's own. Throws Fault (69) when no process or pipe can be had.
  ProcessSession(const std::vector<std::string>& words,
                 const std::map<std::string, std::string>& environment);
  ProcessSession(const ProcessSession&) = delete;
  ProcessSession& operator=(const ProcessSession&) = delete;

  pid_t id() const { return pid_; }
  // Readable when the program has written something, or has ended.
  int said() const { return said_->get(); }
  // What has come since the last call.
  std::string read_said();
  // To the program itself, not to what it started.
  void send(int signal) const;
  // Its exit code as a shell has it, once it has ended; and whether a signal ended it.
  std::optional<int> ended();
  bool killed() const { return killed_; }

 private:
  pid_t pid_ = -1;
  std::optional<Descriptor> said_;
  std::optional<int> code_;
  bool killed_ = false;
};

// Local. The processes of a session that still live. With a `word`, those alone in whose environment it is: a
// session's number may be another's by now.
std::vector<pid_t> members_of(pid_t session, const std::string& word = "");

// Local. Kills these sessions' processes and waits until they are gone, `patience` at most. Returns those
// that are left: a process that waits for a device cannot be ended.
std::vector<pid_t> end_session(pid_t session, std::chrono::milliseconds patience,
                               const std::string& word = "");

// Local. When a process was started, in the kernel's own unit; empty when it does not live. With its number
// it names a process for good.
std::string start_of(pid_t process);

}  // namespace lockstep
