// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "supervise/policy.h"

namespace lockstep {

// What outlives a requeue: the policy's history of one job, in <run>/slurm-attempts.json. An attempt that
// Slurm ended (a preemption, the death of a node, a requeue by hand) is never judged, so it leaves nothing
// here: it is nobody's fruitless attempt. A new job begins anew. Local; a file that cannot be read or written
// costs a warning and the history.
class SlurmMemory {
 public:
  // `job`: of an array, the task. `run_directory` may be empty while nobody knows it.
  SlurmMemory(std::string job, const std::string& run_directory);

  // As soon as the run directory is known: reads what earlier lives left there.
  void recall(const std::string& run_directory);
  // Of all attempts that were judged.
  const History& history() const { return history_; }
  // Kept at once where there is a run directory.
  void keep(const History& history);

 private:
  std::string path() const { return run_directory_ + "/slurm-attempts.json"; }

  std::string job_;
  std::string run_directory_;
  History history_;
};

}  // namespace lockstep
