// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace lockstep {

// What `scontrol show job -o` says of a job, as far as it matters here.
struct SlurmJob {
  std::string state;   // RUNNING, COMPLETING, CANCELLED, PENDING …
  std::string reason;  // None, TimeLimit …
  std::string partition;
  std::string nodes;          // NodeList
  int restarts = 0;           // how often Slurm has put it back into the queue
  bool may_requeue = true;    // Requeue=1
  std::int64_t end_time = 0;  // unix seconds; 0 without a limit
};

// Local. Of the job's one line; empty when it is none. Times are in the time zone of this process.
std::optional<SlurmJob> parse_slurm_job(const std::string& line);

// Local. "KEY = 30 sec" of `scontrol show config`; empty when it is not there or no number.
std::optional<int> slurm_setting_s(const std::string& config, const std::string& key);

// Local. GraceTime of `scontrol show partition -o`, in seconds; 0 where there is none.
int partition_grace_s(const std::string& line);

// Whose turn it is after the ranks have ended.
enum class SlurmStanding {
  kOurs,       // it runs, or its time is up: this supervisor decides
  kRequeued,   // Slurm has put it back into the queue itself
  kCancelled,  // somebody has ended it, and it is to stay so
};

// Local. `restarts_before`: what SLURM_RESTART_COUNT said when this life of the job began. Note [whose turn]:
// only a job that runs, or that Slurm ends for its time limit, may be put back into the queue. One that is
// completing with one more restart is there already (requeue by hand, preemption, death of a node); one that
// is completing without it was cancelled, and a requeue would take it back from whoever did that.
SlurmStanding standing_of(const SlurmJob& job, int restarts_before);

}  // namespace lockstep
