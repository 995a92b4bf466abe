// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

// What ended an attempt, where it was not the program itself. Whoever launched it finds out.
enum class Circumstance {
  kNone,         // the program, as far as anybody knows
  kUnreachable,  // a host or a daemon of the launcher could not be reached, or went away
  kLauncher,     // the launcher could not start, or was killed, with the ranks behind it
  kNode,         // a node failed (Slurm)
  kNoSpace,      // /dev/shm or TMPDIR is full
  kFormerLife,   // the run's lock was held by an earlier attempt of this job
  kPreempted,    // the scheduler wants the place for another job
  kTimeLimit,    // the job's time is up
  kCancelled,    // a person ended the job (scancel)
  kShutdown,     // the supervisor was asked to stop: a signal of its own
};

// How far an attempt came, as its ranks told the supervisor.
enum class Reach {
  kUnknown,   // a program that does not speak to a supervisor
  kNothing,   // no rank said a word
  kRanks,     // rank 0 lives and has joined
  kTraining,  // the first step began
};

// What a rank said before it left (run/supervisor_line.h).
struct ReportedFault {
  int code = 0;
  std::int64_t step = 0;
  std::string message;
  std::string host;  // the one at fault, where it is known to be a host's
};

// An attempt that has ended, all its ranks gone.
struct AttemptFacts {
  int code = 0;  // the job's: what the ranks reported, else what the launcher returned
  std::optional<ReportedFault> fault;
  Circumstance circumstance = Circumstance::kNone;
  std::string detail;  // of the circumstance, for people: the launcher's own words
  std::string remark;  // what else is known of the end, for people
  Reach reach = Reach::kNothing;
  std::int64_t step = 0;                  // the last that began
  std::optional<std::int64_t> committed;  // the last commit of this attempt
  std::chrono::milliseconds lasted{0};
  std::vector<std::string> bad_hosts;  // that could not be reached, or whose rank is at fault
  int stop_signal = 0;                 // the first that asked the supervisor to stop, 0: none
};

enum class Action { kDone, kRestart, kWait, kRequeue, kGiveUp };

struct Decision {
  Action action = Action::kGiveUp;
  int code = 0;                        // of the supervisor, where the job ends (kDone, kGiveUp, kRequeue)
  std::chrono::milliseconds pause{0};  // before a kRestart or a kWait
  std::string reason;                  // for people, half a sentence
  std::vector<std::string> drop_hosts;
};

struct PolicyOptions {
  bool can_requeue = false;     // a batch system takes the job back
  bool may_drop_hosts = false;  // --spares, or -n auto
  std::chrono::milliseconds first_pause{1000};
};

// What the policy remembers of the attempts before.
struct History {
  int attempts = 0;
  int faults = 0;     // ends by a fault of the program
  int fruitless = 0;  // restarts in a row after a fault of the program without a new commit
  int bugs = 0;       // ends with 70
  int pauses = 0;     // restarts in a row without a new commit, for the length of the pause
  int waits = 0;      // ends in a row by infrastructure
  bool ever_trained = false;
  std::optional<ReportedFault> last_fault;
  int same_fault = 0;  // how often in a row it came
  std::map<std::string, int> host_failures;
};

// Local. Judges an attempt that has ended and adds it to the history: the same for mpirun and Slurm. Pure:
// nothing is asked, read or waited for.
Decision judge(const PolicyOptions& options, const AttemptFacts& facts, History& history);

// Local. "code 76 (peer lost or hung)", for people.
std::string meaning_of(int code);

}  // namespace lockstep
