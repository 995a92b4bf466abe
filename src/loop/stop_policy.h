// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "comm/agree.h"
#include "lockstep/base/clock.h"
#include "loop/reporter.h"
#include "loop/stop_budget.h"
#include "run/options.h"

namespace lockstep {

// What the ranks want after a step; the larger is granted.
enum class Wish : int { kGoOn = 0, kSave = 1, kSaveNow = 2, kStop = 3 };

// When a run stops, and with which save. All of it is agreed; rank 0's measures and its clock count.
class StopPolicy {
 public:
  // The referenced parts outlive it.
  struct Parts {
    World& world;
    const Clock& clock;
    Reporter& reporter;
    StopTimes times;
    double state_bytes = 0;
  };
  explicit StopPolicy(const Parts& parts);

  // Local. A step begins; how long it takes is measured until the next one does.
  void begin_step(Step step, const SaveTimes& saves);

  // Collective. kStop when any rank was asked to stop, or the end of the job comes close: all stop after the
  // same step. Else kSaveNow when any rank was asked for a save (USR2): this step is saved. Else kSave when
  // the clock of rank 0 asks for one (`save_is_due`, ignored on the others): the next step is saved.
  Agreed<Wish> ask(bool save_is_due, const SaveTimes& saves);

  // Collective. Was any rank asked to stop? The end of the job does not count: a life makes a step at least.
  Agreed<bool> is_asked();

  // Collective. What a run that stops does about its state, in the time that the most pressing request of any
  // rank leaves.
  Agreed<StopSave> choose(StopSituation now, const SaveTimes& saves);
  // Local, after choose(): when the process is going to be ended, on this rank's clock.
  std::optional<std::chrono::nanoseconds> deadline() const { return deadline_; }
  double seconds_left() const;

  // Local. Warns, once for each measure, where the notice that a stop is going to get is too short for what
  // it needs.
  void look_ahead(const SaveTimes& saves);

  // For people: "signal 15", "the end of the job".
  std::string cause() const;
  // What to do so that a save fits next time.
  std::string remedy(const SaveTimes& saves) const;

 private:
  bool end_is_near(const SaveTimes& saves) const;

  Parts parts_;
  StopBudget budget_;
  std::optional<std::chrono::nanoseconds> step_began_;
  std::optional<std::chrono::nanoseconds> deadline_;
  double announced_s_ = 0;
};

}  // namespace lockstep
