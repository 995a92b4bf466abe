// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "supervise/policy.h"
#include "supervise/slurm/attempt_events.h"
#include "supervise/slurm/controller.h"
#include "supervise/slurm/memory.h"
#include "supervise/slurm/options.h"
#include "supervise/slurm/step.h"

namespace lockstep {

class SignalInbox;

struct SlurmRunOptions {
  SlurmPlace place;
  std::vector<std::string> program;  // what each rank runs
  std::vector<std::string> first;    // more words for it before the first commit, such as --resume must
  std::vector<std::string> go_on;    // and after it, such as --resume auto
  std::string run_directory;         // empty: rank 0 says it
  std::string on_end;                // the user's command for the end, of run.on_end
  int ranks_per_node = 0;            // 0: as many tasks as sbatch was told
};

// The supervisor inside a batch job: starts srun, judges how it ended by the same policy as under mpirun, and
// starts it again in the same job, puts the job back into the queue, or ends with a code. Slurm's own signals
// reach the ranks without it; what reaches the batch shell alone (--signal=B:USR1@N) is handed on once the
// ranks are up. Local; one thread.
class SlurmSupervisor {
 public:
  SlurmSupervisor(SlurmRunOptions options, SignalInbox& signals, LineServer& ranks);

  // The exit code of the job. Throws Fault (69) outside a batch job.
  int run();

 private:
  void learn_the_job();
  std::vector<std::string> command() const;
  AttemptFacts attempt();
  void hear_ranks();
  void watch_over(SlurmStep& step);
  void hear_signals();
  // Slurm's TERM: is it for the time limit, which leaves KillWait to get back into the queue?
  void slurm_ends_us();
  void hand_on_request(SlurmStep& step);
  // -K1 has the controller end the other ranks of one that was lost; when it is away, nobody does.
  void end_the_bereft(SlurmStep& step);
  AttemptFacts facts_of(const SlurmStep& step, int code) const;
  // The exit code; empty: another attempt.
  std::optional<int> after(const AttemptFacts& facts);
  // The job ends here, done or given up.
  int finish(int code, const std::string& reason);
  int back_into_the_queue(const std::string& why);
  // False when the job's time or a signal ended it.
  bool pause(std::chrono::milliseconds length);

  SlurmRunOptions options_;
  SignalInbox* signals_;
  LineServer* ranks_;
  SlurmController controller_;
  SlurmMemory memory_;
  AttemptEvents events_;
  SlurmJob job_;
  int grace_s_ = 0;
  enum class Asked { kNo, kLead, kPerson } asked_ = Asked::kNo;
  int passed_on_ = 0;
  bool bereft_ = false;          // srun was ended, and its ranks are still to be
  std::optional<int> requeued_;  // the exit code, once the job is back in the queue
  bool taken_ = false;           // Slurm ends the job, and it is not for us to say what comes then
};

}  // namespace lockstep
