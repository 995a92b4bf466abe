// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "lockstep/base/units.h"
#include "shelf/options.h"

namespace lockstep {

// A checkpoint that retention decides about: one with a good manifest.
struct RetentionEntry {
  Step step{0};
  std::optional<double> metric;  // keep_best.metric, if its manifest has it
  bool pinned = false;           // kept whatever the rules say: tagged, or the newest known to be good
};

// The steps of the best entries, best first: at most keep_best.count, NaN never among them, the earlier step
// first on a tie.
std::vector<Step> best_steps(std::span<const RetentionEntry> entries, const KeepBest& keep);

// The order in which weights are wanted: `best` (what the pointer names), the best steps, then from the
// newest down. A step may stand in it twice.
std::vector<Step> best_first(std::span<const RetentionEntry> entries, const KeepBest& keep,
                             std::optional<Step> best);

// The steps that no rule keeps, oldest first. The newest is always kept, whatever keep_last says, and so are
// `best` (what the pointer names) and those pinned.
std::vector<Step> steps_to_prune(std::span<const RetentionEntry> entries, const CheckpointOptions& options,
                                 std::optional<Step> best);

}  // namespace lockstep
