// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace lockstep {

// What a process of Lockstep ends with; the launcher acts on these numbers (docs/exit-codes.md).
enum class ExitCode : int {
  kDone = 0,
  kUsage = 64,
  kNoValidCheckpoint = 65,  // or a file that was refused
  kInputMissing = 66,       // or changed since the run began
  kCannotStart = 69,        // device, MPI or NCCL
  kBug = 70,                // or replicas differ
  kRunDirectory = 73,       // unusable
  kStorage = 74,            // storage failed, the last checkpoint is intact
  kRequeue = 75,            // stopped on request, saved
  kPeerLost = 76,           // or hung: restart
  kLocked = 77,             // run locked by another job
  kConfig = 78,             // invalid or incompatible
  kNeverRestart = 93,       // diverged, or no progress
};

// The world failed: disk, network, peer, config or input. `what()` is the fact with its numbers, then the
// remedy, ready to be shown; `code()` is what the process ends with.
class Fault : public std::runtime_error {
 public:
  Fault(ExitCode code, std::string fact, std::string remedy = "");

  ExitCode code() const noexcept { return code_; }
  const std::string& fact() const noexcept { return fact_; }
  const std::string& remedy() const noexcept { return remedy_; }

 private:
  ExitCode code_;
  std::string fact_;
  std::string remedy_;
};

// A broken contract of our own code; ends in exit code 70. Thrown by check().
class Bug : public std::logic_error {
  using std::logic_error::logic_error;
};

[[noreturn]] void raise_bug(std::string_view claim, std::source_location where);

// Throws Bug, with file and line, when a contract of ours does not hold. Always on, in every build type.
inline void check(bool holds, std::string_view claim,
                  std::source_location where = std::source_location::current()) {
  if (!holds) [[unlikely]]
    raise_bug(claim, where);
}

}  // namespace lockstep
