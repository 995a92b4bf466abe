// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "supervise/hosts.h"
#include "supervise/launcher_words.h"
#include "supervise/line_server.h"
#include "supervise/memory_kills.h"
#include "supervise/mpirun_job.h"
#include "supervise/mpirun_launch.h"

namespace lockstep {

// One mpirun and its ranks, from the start until none of them is left on this host. Local; one thread.
class MpirunAttempt {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Parts {
    const MpirunJob& job;
    const HostPool& hosts;
    LineServer& line;
  };

  // It begins now; its ranks have been started, or may go on.
  MpirunAttempt(const Parts& parts, std::unique_ptr<MpirunLaunch> launch);

  const MpirunLaunch& launch() const { return *launch_; }
  pid_t session() const { return launch_->mpirun().id(); }
  int ranks() const { return launch_->plan().ranks; }
  // Readable when mpirun has something to say.
  int said() const { return launch_->mpirun().said(); }

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
  void hand_on_request();
  void go_on_killing();
  void end_remote_ranks();
  Circumstance circumstance(const AttemptFacts& facts) const;

  Parts parts_;
  std::unique_ptr<MpirunLaunch> launch_;
  LauncherWords words_;
  MemoryKills memory_kills_;
  enum class Request { kNone, kWaiting, kSent } request_ = Request::kNone;
  std::optional<Time> killed_at_;
  bool abandoned_ = false;
};

}  // namespace lockstep
