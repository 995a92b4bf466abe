// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "supervise/hosts.h"
#include "supervise/launcher_words.h"
#include "supervise/line_server.h"
#include "supervise/memory_kills.h"
#include "supervise/mpirun_job.h"
#include "supervise/scratch.h"
#include "supervise/session.h"

namespace lockstep {

// One mpirun and its ranks, from the start until none of them is left on this host. Local; one thread.
class MpirunAttempt {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Parts {
    const MpirunJob& job;
    const Surroundings& around;
    const HostPool& hosts;
    LineServer& line;
    bool committed = false;  // did the job ever make a commit?
  };

  // Starts it. Throws Fault (69) when mpirun cannot work here.
  explicit MpirunAttempt(const Parts& parts);

  pid_t session() const { return mpirun_->id(); }
  int ranks() const { return ranks_; }
  std::vector<std::string> scratch() const { return scratch_.folders(); }
  // Readable when mpirun has something to say.
  int said() const { return mpirun_->said(); }

  // Takes what has come and sees to what is due. True when it has ended.
  bool tend();
  // Asks the ranks to save and stop, once all of them can hear it; before that the signal would end them.
  void ask_to_stop();
  void ask_to_save();
  // Ends everything, remote ranks through mpirun as far as it still can.
  void kill();
  bool is_being_killed() const { return killed_at_.has_value(); }

  // After the end: leaves nothing behind, and says what it was.
  AttemptFacts facts();

 private:
  std::vector<std::string> command() const;
  std::string write_hostfile() const;
  void hand_on_request();
  void go_on_killing();
  void end_remote_ranks();
  Circumstance circumstance(const AttemptFacts& facts) const;

  Parts parts_;
  int ranks_;
  Scratch scratch_;
  LauncherWords words_;
  MemoryKills memory_kills_;
  std::unique_ptr<Session> mpirun_;
  enum class Request { kNone, kWaiting, kSent } request_ = Request::kNone;
  std::optional<Time> killed_at_;
  bool abandoned_ = false;
};

}  // namespace lockstep
