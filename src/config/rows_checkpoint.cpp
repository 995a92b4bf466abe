// SPDX-License-Identifier: Apache-2.0
#include "config/rows.h"

namespace lockstep {

std::vector<Row> checkpoint_rows() {
  const auto c = &RunConfig::checkpoint;
  using C = CheckpointOptions;
  const auto best = &CheckpointOptions::keep_best;
  return {
      row("checkpoint.every_steps", c, &C::every_steps)
          .in(between(0, 1e15), "steps")
          .derived_from("`0`")
          .such_as("100")
          .may_change()
          .says("Save every so many steps; 0: not by their number. The last step is always saved."),
      row("checkpoint.every_minutes", c, &C::every_minutes)
          .in(between(0, 1e7), "minutes")
          .derived_from(
              "`10` where neither interval is given, and then rarer where saves take more than 1 % of "
              "the time; else `0`")
          .may_change()
          .says("Save every so many minutes, by the clock of rank 0; 0: not by the clock. May stand beside "
                "checkpoint.every_steps."),
      row("checkpoint.layout", c, &C::layout)
          .one_of({"auto", "consolidated", "sharded"})
          .may_change()
          .says("consolidated: rank 0 writes one file; sharded: every rank writes its part; auto: by size."),
      row("checkpoint.async", c, &C::async)
          .may_change()
          .says("Write checkpoints while training goes on; needs memory for a copy of what a rank writes."),
      row("checkpoint.on_busy", c, &C::on_busy)
          .one_of({"wait", "skip"})
          .may_change()
          .says("A save by checkpoint.every_steps that is due while one is still being written: wait for "
                "that one, or skip (event, never the last)."),
      row("checkpoint.keep_last", c, &C::keep_last)
          .in(between(1, 1e9), "checkpoints")
          .may_change()
          .says("Newest checkpoints that are kept."),
      row("checkpoint.keep_every", c, &C::keep_every)
          .in(between(0, 1e15), "steps")
          .may_change()
          .says("Checkpoints of steps divisible by this are kept for ever; 0: none."),
      row("checkpoint.keep_best.metric", c, best, &KeepBest::metric)
          .may_change()
          .says(
              "Metric of an evaluation that decides which checkpoint is best: valid_loss, valid_accuracy, …"),
      row("checkpoint.keep_best.mode", c, best, &KeepBest::mode)
          .one_of({"min", "max"})
          .may_change()
          .says("Is the smallest or the largest value the best?"),
      row("checkpoint.keep_best.count", c, best, &KeepBest::count)
          .in(between(0, 1e6), "checkpoints")
          .may_change()
          .says(
              "Best checkpoints that are kept; 0: off. An evaluation that beats the best so far saves one."),
      row("checkpoint.on_error", c, &C::on_error)
          .one_of({"stop", "continue"})
          .may_change()
          .says("A save that fails: stop with code 74, or warn and go on (three in a row stop)."),
      row("checkpoint.writers", c, &C::writers)
          .in(between(1, 64), "threads")
          .may_change()
          .says("Threads of a rank that write its file. They wait for the disk most of the time; one more "
                "makes the "
                "digests."),
      row("checkpoint.verify_after_save", c, &C::verify_after_save)
          .may_change()
          .says("Read a save back from the disk, around the page cache, and compare all digests before it "
                "counts."),
  };
}

}  // namespace lockstep
