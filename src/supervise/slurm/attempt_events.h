// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "supervise/line_server.h"
#include "supervise/policy.h"
#include "supervise/run_events.h"
#include "supervise/slurm/options.h"

namespace lockstep {

// The lines of a batch job's supervisor in events.jsonl: each attempt's begin and end, also of one that never
// trained, and what comes between two. Local; never throws.
class AttemptEvents {
 public:
  AttemptEvents(const SlurmPlace& place, const std::string& run_directory);

  void launched();
  // Of the attempt that runs: its begin is written once rank 0 has spoken.
  void heard(const AttemptStory& story, const std::string& nodes);
  // `cause`: half a sentence.
  void ended(const AttemptFacts& facts, const AttemptStory& story, const std::string& cause);
  // restarting, waiting, requeued or gave_up.
  void next(const std::string& what, const std::string& reason);

 private:
  RunEvents events_;
  std::string job_;
  int launches_ = 0;
  int attempt_ = 0;
  bool begun_ = false;
  bool trains_ = false;
  AttemptStory::Time launched_;
};

}  // namespace lockstep
