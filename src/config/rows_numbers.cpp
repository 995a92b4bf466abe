// SPDX-License-Identifier: Apache-2.0
#include "config/rows.h"

namespace lockstep {

std::vector<Row> number_rows() {
  const auto n = &RunConfig::numbers;
  const auto spike = &NumberOptions::on_spike;
  const auto back = &NumberOptions::rollback;
  const std::vector<std::string> looks = {"warn", "skip", "rollback"};
  return {
      row("on_nan", n, &NumberOptions::on_nan)
          .one_of({"stop", "skip", "rollback"})
          .may_change()
          .says("A step whose loss or gradient is not finite: end the run with 93; make no update in that "
                "step; or go back to an older checkpoint and leave batches out. But for stop, gradients are "
                "looked at in every step."),
      row("on_spike.action", n, spike, &SpikeOptions::action)
          .one_of({"off", "warn", "skip", "rollback"})
          .may_change()
          .says("A step whose loss stands out: nothing, an event and a warning, or as in on_nan."),
      row("on_spike.z", n, spike, &SpikeOptions::z)
          .in(above(0))
          .only("on_spike.action", looks)
          .may_change()
          .says("How far a loss must be above the median of the last ones, in their robust standard "
                "deviations (1.4826 MAD, at least 1 % of the median)."),
      row("on_spike.window", n, spike, &SpikeOptions::window)
          .in(between(4, 1024), "losses")
          .only("on_spike.action", looks)
          .may_change()
          .says("The last losses that it is compared with; there is no judgement before that many."),
      row("rollback.steps", n, back, &RollbackOptions::steps)
          .in(between(1, 1e9), "steps")
          .may_change()
          .says("A rollback goes to the newest checkpoint that is at least so many steps older than the bad "
                "step; one such is kept."),
      row("rollback.batches", n, back, &RollbackOptions::batches)
          .in(between(1, 1e9), "batches")
          .may_change()
          .says("Batches around the bad step that a rollback leaves out: half of them before it, then it."),
  };
}

}  // namespace lockstep
