// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "drill/disturbance.h"

namespace lockstep {

// What became of a fault.
struct StruckFault {
  Disturbance plan;
  std::int64_t step = 0;           // the newest that its life had ended when it struck
  std::optional<double> detect_s;  // until a rank or the supervisor said so; none: the run had ended before
  std::optional<double>
      restart_s;                   // from then until another life had ended its first step; none: none had to
  std::int64_t newest = 0;         // step that the journal has of the life it struck,
  std::int64_t newest_commit = 0;  // and of the run by then;
  int next_ranks = 0;              // of the next life, and
  std::int64_t resumed_from = 0;   // the step that the next life began from
  std::optional<bool> same;        // the state of the next step that both runs have saved

  bool struck() const { return detect_s.has_value(); }
  // Done twice, as far as the journal knows: at least so many.
  std::int64_t steps_lost() const;
  // A commit was there, and the next life began from an older one.
  bool lost_commit() const { return restart_s && resumed_from < newest_commit; }
};

// How a run is started, and where.
struct RunOrder {
  std::vector<std::string> program;  // words in front of what launches the ranks: a lockstep, run
  std::vector<std::string> config;   // and behind it
  Launcher launcher = Launcher::kMpirun;
  std::string directory;               // the run's
  std::string log;                     // file for what is said
  std::vector<int> ranks;              // of the lives, one after the other, and again from the first
  std::chrono::seconds patience{900};  // for a line in a journal
};

// A run that was driven to its end.
struct DrilledRun {
  int code = 0;
  double seconds = 0;
  std::map<std::int64_t, std::string> commits;  // state hash by step, of the end too
  std::vector<StruckFault> faults;
  std::vector<std::string> finds;  // what should not have happened, in words
};

// Local. Runs it through its supervisor, strikes it by these faults, and starts it again where a person would
// have to: after a full disk, once there is room. Never longer than the patience without news. Throws Fault
// (69), (73) when it cannot be started.
DrilledRun drill(const RunOrder& order, const std::vector<Disturbance>& faults);

// Local. Fills in `same` of each fault of `disturbed`. True when all that both have saved is equal, and so is
// how they ended.
bool compare_commits(const DrilledRun& undisturbed, DrilledRun& disturbed);

}  // namespace lockstep
