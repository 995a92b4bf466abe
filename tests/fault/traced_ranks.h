// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "job/job.h"

namespace lockstep::testing {

// SIGKILL for one rank at a system call.
struct KillPoint {
  int rank = 0;
  std::string call;      // as strace prints it
  int number = 1;        // among those calls of one thread, from 1
  bool at_exit = false;  // the call has been done; else it has not begun

  std::string text() const;
};

// The ranks of a job, each under strace with a trace of its own. Traced are the calls that change what lies
// on the disk; what an open makes is seen by the call after it.
class TracedRanks {
 public:
  // `also`: one more call that counts.
  TracedRanks(const Job& job, int ranks, std::string also = "");

  // Starts the job anew and waits for its end. With a point, the rank dies there if it comes there.
  ProcessResult train(const std::vector<std::string>& overrides, const KillPoint* point = nullptr);

  // Of the last start: whether a rank was killed; the entry and exit of each call it made in the run
  // directory; and the newest step whose commit rank 0 has done (the rename that makes it one returned 0).
  bool killed(int rank) const;
  std::vector<KillPoint> points(int rank) const;
  int committed_step() const;

 private:
  std::string trace_of(int rank) const { return job_.path("trace." + std::to_string(rank)); }
  void kill_at_exit(Process& process);

  const Job& job_;
  int ranks_;
  std::string calls_;
  bool killed_at_exit_ = false;
};

}  // namespace lockstep::testing
