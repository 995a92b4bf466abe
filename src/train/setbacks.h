// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "comm/agree.h"
#include "loop/reporter.h"
#include "train/left_out.h"
#include "train/spike.h"

namespace lockstep {

// kOverflow: Note [overflow].
enum class StepVerdict : int { kHealthy = 0, kSpike = 1, kOverflow = 2, kDiverged = 3 };

// What is done about a bad step.
enum class Remedy { kUpdate, kStop, kSkip, kRollBack };

// A step whose numbers are wrong, before its update; the same on all ranks.
struct BadStep {
  StepRecord record;
  std::string fact;
  std::string remedy;
  bool skip_helps = true;
};

// Judges the numbers of each step and keeps the record of those that make no update (Note [left out]). All
// ranks decide alike: the losses are the same, and so is what is restored.
class Setbacks {
 public:
  // Members of a checkpoint's `extra`: the record (LeftOut::encode), and the losses of the scale.
  static constexpr const char* kRecord = "left_out";
  static constexpr const char* kLosses = "losses";

  // The referenced parts outlive it.
  struct Parts {
    World& world;
    Disk& disk;
    Reporter& reporter;
    std::string directory;  // <run>
  };
  Setbacks(const Parts& parts, const NumberOptions& options) : parts_(parts), options_(options) {}

  // Collective, before a life looks for a checkpoint: `own`, the run goes on where it was, so its record
  // counts. Returns the limit of a way back that a former life did not complete. Throws AgreedFault (65).
  std::optional<Step> recall(bool own);
  // Collective. What is newer than that limit is left aside.
  void way_is_back();
  // Collective, behind a checkpoint with this `extra`: its losses, and its record where there is none of the
  // run's own.
  void go_on_from(const std::string& extra);
  // Local. What a checkpoint keeps of it.
  std::string add_to(const std::string& extra) const;

  bool leaves_out(Step step) const { return left_out_.contains(step); }
  // Does every step's gradient have to be looked at?
  bool needs_norm() const { return options_.on_nan != "stop"; }
  // Local. The worst of any rank counts.
  StepVerdict verdict(const StepRecord& record) const;
  Remedy remedy_for(StepVerdict verdict) const;
  // Local. What is wrong with a loss that stands out.
  BadStep spike(const StepRecord& record) const;

  // Local. The update was made.
  void updated(double loss) { scale_.add(loss); }
  // Local, the same on all ranks: a warning and an event, and the step is made.
  void warn(const BadStep& bad);
  // Collective. Records it, then says so. Throws AgreedFault (93) for the tenth in a row.
  void skip(const BadStep& bad);
  // Collective. Records a rollback; returns the newest step it may go to. Throws AgreedFault (93) where no
  // checkpoint is that old, or three rollbacks have come no further.
  Step roll_back(const BadStep& bad);

 private:
  void keep();
  void tell(const std::string& event, const BadStep& bad, std::map<std::string, std::string> fields);
  bool has_checkpoint_until(Step limit);

  Parts parts_;
  NumberOptions options_;
  LeftOut left_out_;
  SpikeScale scale_{options_.on_spike};
  bool recalled_ = false;
};

// Local. A step that makes no update, as its line in metrics.jsonl has it, whoever looked at it: the life
// that met it and one that knows it from the record write the same.
StepRecord without_update(StepRecord record);

}  // namespace lockstep
