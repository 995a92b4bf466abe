// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "loop/save_times.h"

namespace lockstep {

// What a run that is asked to stop does about its state.
enum class StopSave : int {
  kNone,           // it is saved
  kFinish,         // the save in flight is the one
  kFinishAndSave,  // that one, and another of the last step
  kSave,
  kTooLate,  // no time for one: none is begun
};

// Where a run is when it stops.
struct StopSituation {
  bool saved = false;                  // the last step is
  std::optional<double> flight_age_s;  // of the save in flight: how long ago it began
  bool flight_is_last = false;         // that is the last step's
  std::optional<double> left_s;        // until the process is ended; empty: nobody says
};

// Note [one save at a stop]. A save in flight of an older step has what the run had when it began. Making
// another costs a whole save more; not making one costs the next life the steps since, which took as long
// as that save has been going on. So the one in flight is enough until it has taken longer than a save does.

// Local. `save_s`: how long a save takes, where one was measured.
StopSave choose_stop_save(const StopSituation& now, std::optional<double> save_s);

// How long before an end a run has to be asked, so that its save fits: by the measure of its own steps and
// saves. Local.
class StopBudget {
 public:
  // Before the first save, one is taken to write at 200 MB/s and to need a few seconds.
  explicit StopBudget(double state_bytes);

  void step_took(double seconds);

  // From a request to the end of its save: the longest step of the last ones (an evaluation with it), and a
  // save with its margin.
  double lead_s(const SaveTimes& saves) const;
  // The same for a run that watches the clock itself: its own end fits in too.
  double lead_to_end_s(const SaveTimes& saves) const;
  double step_s() const;

 private:
  double unmeasured_save_s_;
  double longest_ = 0;         // of this block of steps
  double longest_before_ = 0;  // and of the one before
  int steps_ = 0;
};

}  // namespace lockstep
