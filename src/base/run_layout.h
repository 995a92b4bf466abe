// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

namespace lockstep {

inline constexpr const char* kCheckpointsFolder = "ckpt";
inline constexpr const char* kEventsFile = "events.jsonl";

// Where things lie in a run directory. Local.
class RunLayout {
 public:
  explicit RunLayout(std::string directory) : directory_(std::move(directory)) {}

  std::string identity() const { return directory_ + "/run.json"; }  // who the run is, and its lives
  std::string config() const { return directory_ + "/config.yaml"; }
  std::string checkpoints() const { return directory_ + "/" + kCheckpointsFolder; }
  std::string weights() const { return directory_ + "/weights.h5"; }
  std::string metrics() const { return directory_ + "/metrics.jsonl"; }
  std::string events() const { return directory_ + "/" + kEventsFile; }
  std::string logs() const { return directory_ + "/log"; }
  std::string done() const { return directory_ + "/DONE"; }
  std::string supervisor() const { return directory_ + "/supervisor.json"; }

 private:
  std::string directory_;
};

}  // namespace lockstep
