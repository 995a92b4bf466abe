// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/run_layout.h"
#include "lockstep/base/disk.h"
#include "lockstep/base/hash.h"
#include "lockstep/base/units.h"
#include "run/run_lock.h"

namespace lockstep {

// What a run that has ended leaves in DONE.
struct Completion {
  Step step{0};
  Epoch epoch{0};
  Digest state_hash;
};

struct RunDirectoryOptions {
  std::string name;
  std::string dir;
  std::string config_text;  // the effective config, for config.yaml
  std::string job;          // batch job id, for the lock
};

// Local. Where a run directory really lies: symbolic links on the way to it, and it itself if it is one, are
// the user's own and are followed, here and once. Without a link it stays as it was given. What is in it is
// then opened without following any. Throws Fault (73) for a link to a folder that does not exist.
std::string behind_links(const std::string& path);

// One directory is the whole story of a run over all its attempts. Rank 0 owns it: it holds the lock for its
// lifetime and counts the attempt. Local.
class RunDirectory {
 public:
  // Creates what is missing; throws Fault: 73 unusable or another user's, 77 locked by another job.
  RunDirectory(Disk& disk, const RunDirectoryOptions& options);

  const std::string& path() const { return path_; }
  std::string checkpoints() const { return RunLayout(path_).checkpoints(); }
  const std::string& run_id() const { return run_id_; }
  Attempt attempt() const { return attempt_; }

  // Had it ended when this life began?
  bool was_done() const { return was_done_; }
  // Takes DONE away: it is going to be trained further.
  void reopen();
  // Writes DONE.
  void finish(const Completion& done);

 private:
  void make_own_folder(const std::string& folder);
  void read_history();
  void keep_config(const std::string& text);

  Disk& disk_;
  std::string name_;
  std::string path_;
  std::unique_ptr<RunLock> lock_;
  std::string run_id_;
  Attempt attempt_{1};
  bool was_done_ = false;
};

}  // namespace lockstep
