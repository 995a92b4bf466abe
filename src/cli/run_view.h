// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "config/schema.h"
#include "report/pulse.h"
#include "report/standing.h"
#include "train/run_status.h"

namespace lockstep {

// What `status` tells of a run, taken together from its directory, its journal, its lock and its supervisor's
// record. Local; reads only, beside a running job too.
class RunView {
 public:
  // Throws Fault (66) when `directory` is no run directory.
  RunView(const std::string& directory, const ExtraTypes& types);

  // Looks again, at what may have changed. Throws Fault (66, 74).
  void look();

  const Pulse& pulse() const { return *pulse_; }
  const Standing& standing() const { return standing_; }
  nlohmann::ordered_json json() const;

 private:
  std::string changes() const;
  Signs signs() const;
  std::int64_t steps_in_all() const;

  std::string directory_;
  ExtraTypes types_;
  PulseReader reader_;
  const Pulse* pulse_ = nullptr;
  RunStatus status_;
  std::int64_t of_ = 0;  // 0: nobody knows
  std::string seen_;     // changes() when status_ was read
  Standing standing_;
};

}  // namespace lockstep
