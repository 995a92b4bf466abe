// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "supervise/slurm/command.h"
#include "supervise/slurm/job_state.h"
#include "supervise/slurm/options.h"

namespace lockstep {

// How a request to put the job back into the queue ended.
enum class Requeue {
  kDone,     // by this, or already by Slurm
  kRefused,  // the job or the cluster does not allow it
  kUnheard,  // the controller was away for longer than anybody waits
};

// Slurm's controller, asked through scontrol. It may be away (a failover, an upgrade): every question is
// asked again, with growing pauses, for half an hour. Local; one thread.
class SlurmController {
 public:
  using Pause = std::function<void(std::chrono::seconds)>;

  SlurmController(SlurmPlace place, RunCommand run, Pause pause);

  // How the job stands. Empty when Slurm does not know it, or does not answer.
  std::optional<SlurmJob> job();
  // Puts the job, or this task of an array alone, back into the queue; Slurm then ends what runs of it.
  Requeue requeue();
  // Ends what is left of the job's steps, not the batch script.
  void end_steps();
  // Seconds the ranks of `job` have between Slurm's TERM and its KILL; 0 when it does not say.
  int grace_s(const SlurmJob& job);

 private:
  // scontrol's answer; empty when there was none in time. One that no repetition changes is an answer.
  std::optional<CommandResult> ask(const std::vector<std::string>& words);

  SlurmPlace place_;
  RunCommand run_;
  Pause pause_;
};

}  // namespace lockstep
