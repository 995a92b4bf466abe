// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lockstep {

// An mpirun and its ranks.
struct SessionRecord {
  pid_t session = 0;
  std::string token;                 // in the environment of all that belongs to it
  std::vector<std::string> scratch;  // folders to remove
};

// What a supervisor leaves in <run>/supervisor.json about the attempt it has started, for its successor.
struct AttemptRecord {
  std::string host;
  pid_t supervisor = 0;
  std::string supervisor_start;         // start_of() it
  std::vector<SessionRecord> sessions;  // of the attempt, and of the next that waits for its turn
  std::vector<std::pair<std::string, pid_t>> rank0s;  // host and process of this and former attempts
};

// Local. Neither throws: a run directory that cannot be written is the ranks' affair.
void keep_record(const std::string& run_directory, const AttemptRecord& record);
void remove_record(const std::string& run_directory);

// Local. Does the supervisor of the record in this run directory live? Empty where nobody here can tell: it
// is another host's. False where there is none.
std::optional<bool> supervisor_lives(const std::string& run_directory);

// An attempt whose supervisor was killed and has left it behind. Local.
class FormerLife {
 public:
  // What the record in this run directory tells; nothing where there is none, it is another host's, or its
  // supervisor lives.
  explicit FormerLife(const std::string& run_directory);

  const std::vector<std::pair<std::string, pid_t>>& rank0s() const { return record_.rank0s; }
  // Its processes that still run.
  std::vector<pid_t> processes() const;
  // Asks them to save and stop: through mpirun where it lives, else each by itself.
  void ask_to_stop() const;
  // Ends what is left, and removes its files.
  void end() const;

 private:
  AttemptRecord record_;
};

}  // namespace lockstep
