// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep {

// checkpoint.keep_best: evaluations that beat the best so far are saved and kept. count 0: off.
struct KeepBest {
  std::string metric = "valid_loss";
  std::string mode = "min";  // min|max
  std::int64_t count = 0;
};

// The `checkpoint` section.
struct CheckpointOptions {
  std::int64_t every_steps = 0;  // 0: not by number; the last step is always saved
  double every_minutes = 0;      // 0: not by the clock
  double time_share = 0;         // of all time that saves by the clock may take; 0: as much as they do
  std::string layout = "auto";   // auto|consolidated|sharded
  bool async = true;             // write while training goes on
  std::string on_busy = "wait";  // wait|skip: a save that is due while one is still being written
  std::int64_t keep_last = 3;
  std::int64_t keep_every = 0;  // steps divisible by this are kept for ever; 0: none
  KeepBest keep_best;
  std::int64_t keep_behind = 0;    // one that is so many steps older than the newest is kept; 0: none
  std::string on_error = "stop";   // stop (74) | continue (event, warning; three in a row stop)
  std::int64_t writers = 3;        // threads that write one file
  bool verify_after_save = false;  // read everything back from the disk before the commit
};

// What resume.allow_changes calls a change of what is frozen; no key, since the model decides it.
inline constexpr const char* kModelFrozen = "model.frozen";

// The `resume` section.
struct ResumeOptions {
  std::string mode = "auto";               // auto|must|never, or the path of a checkpoint
  std::vector<std::string> allow_changes;  // config keys that may differ although they usually may not
};

}  // namespace lockstep
