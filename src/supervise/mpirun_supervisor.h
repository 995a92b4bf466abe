// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lockstep/base/error.h"
#include "supervise/hosts.h"
#include "supervise/line_server.h"
#include "supervise/mpirun_attempt.h"
#include "supervise/policy.h"
#include "supervise/run_events.h"
#include "supervise/signal_inbox.h"
#include "supervise/standby.h"
#include "supervise/stop_requests.h"

namespace lockstep {

// Runs a job under mpirun for as long as it takes: starts it, judges how it ended (supervise/policy.h),
// waits, starts it again. Signals ask the ranks to save and stop; see StopRequests. Local; one thread.
class MpirunSupervisor {
 public:
  MpirunSupervisor(MpirunJob job, Surroundings around);

  // The exit code of the job. Throws Fault (64, 66, 69) for what cannot work from the first start on.
  int run();

 private:
  using Time = std::chrono::steady_clock::time_point;

  bool take_over();
  AttemptFacts attempt();
  AttemptFacts could_not_start(const Fault& fault);
  void watch(MpirunAttempt& attempt);
  void hear_signals(MpirunAttempt* attempt);
  void say_what_it_waits_for() const;
  LaunchParts parts_of(int launch) const;
  std::unique_ptr<MpirunLaunch> launch();
  void tend_standby(const MpirunAttempt& attempt);
  void keep_record_of(const MpirunAttempt& attempt) const;
  void note_story(const MpirunAttempt& attempt);
  void note_end(const AttemptFacts& facts, Time begin);
  bool is_own_former_life(const AttemptFacts& facts) const;
  std::optional<int> act_on(const Decision& decision, const AttemptFacts& facts);
  bool pause(std::chrono::milliseconds length);
  int finish(int code, const std::string& reason);

  MpirunJob job_;
  Surroundings around_;
  SignalInbox signals_;
  HostPool hosts_;
  LineServer line_;
  StopRequests stop_;
  RunEvents events_;
  History history_;
  int launches_ = 0;
  int last_attempt_ = 0;  // the number rank 0 gave
  Time ended_;            // the last attempt
  enum class Told { kNothing, kBegin, kTrains } told_ = Told::kNothing;
  std::vector<std::pair<std::string, pid_t>> rank0s_;
  std::unique_ptr<Standby> standby_;
  int stood_by_ = 0;  // the launch whose standby was started last
};

}  // namespace lockstep
