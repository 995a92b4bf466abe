// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"

namespace lockstep {

// An srun that runs the ranks, a child of this process. What it writes goes where this process writes; what
// it says about itself on standard error is kept. Local; one thread.
class SlurmStep {
 public:
  // Throws Fault (69) when there is no process or pipe to be had.
  explicit SlurmStep(const std::vector<std::string>& words);
  // Ends an srun that still runs, and with it the ranks.
  ~SlurmStep();
  SlurmStep(const SlurmStep&) = delete;
  SlurmStep& operator=(const SlurmStep&) = delete;

  // What becomes readable when srun has something to say: then call listen().
  int said() const { return said_->get(); }
  void listen();
  // To srun, which hands USR1 and TERM on to every rank once the ranks are up, and drops it before.
  void send(int signal);
  // Its exit code as a shell has it, once it has ended.
  std::optional<int> ended();
  // srun's own complaint that explains why ranks could not start or were lost, such as "task 2 launch
  // failed"; empty when it has none.
  const std::string& complaint() const { return complaint_; }
  // When srun first said that a task has ended badly; the others should follow within KillWait.
  const std::optional<std::chrono::steady_clock::time_point>& lost_a_rank() const { return lost_; }

 private:
  void take_line(const std::string& line);

  pid_t pid_ = -1;
  std::optional<int> code_;
  std::optional<Descriptor> said_;
  std::string unfinished_;
  std::string complaint_;
  std::optional<std::chrono::steady_clock::time_point> lost_;
};

}  // namespace lockstep
