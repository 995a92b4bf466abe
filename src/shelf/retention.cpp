// SPDX-License-Identifier: Apache-2.0
#include "shelf/retention.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace lockstep {

std::vector<Step> best_steps(std::span<const RetentionEntry> entries, const KeepBest& keep) {
  std::vector<RetentionEntry> ranked;
  for (const RetentionEntry& entry : entries)
    if (entry.metric && !std::isnan(*entry.metric)) ranked.push_back(entry);
  // The loss or its negative, so that less is better in both modes.
  const double sign = keep.mode == BestMode::kMax ? -1 : 1;
  std::sort(ranked.begin(), ranked.end(), [&](const auto& a, const auto& b) {
    const double left = sign * *a.metric;
    const double right = sign * *b.metric;
    return left < right || (left == right && a.step < b.step);
  });
  std::vector<Step> steps;
  for (const RetentionEntry& entry : ranked)
    if (static_cast<std::int64_t>(steps.size()) < keep.count) steps.push_back(entry.step);
  return steps;
}

std::vector<Step> steps_to_prune(std::span<const RetentionEntry> entries, const CheckpointOptions& options,
                                 std::optional<Step> best) {
  std::vector<Step> steps;
  for (const RetentionEntry& entry : entries) steps.push_back(entry.step);
  std::sort(steps.begin(), steps.end());
  const auto kept_best = best_steps(entries, options.keep_best);
  std::set<Step> keep(kept_best.begin(), kept_best.end());
  if (best && options.keep_best.count > 0) keep.insert(*best);
  for (const RetentionEntry& entry : entries)
    if (entry.pinned) keep.insert(entry.step);
  // The newest has just become durable; without it a failure of the others would leave none.
  const auto last = static_cast<std::size_t>(std::max<std::int64_t>(options.keep_last, 1));
  keep.insert(steps.end() - static_cast<std::ptrdiff_t>(std::min(last, steps.size())), steps.end());
  if (options.keep_behind > 0 && !steps.empty()) {
    // One that is old enough for the next bad step, and one that will be old enough in its time.
    const Step limit(steps.back().value - options.keep_behind);
    const auto young = std::upper_bound(steps.begin(), steps.end(), limit);
    if (young != steps.begin()) keep.insert(*std::prev(young));
    keep.insert(*young);
  }
  std::erase_if(steps, [&](Step step) {
    return keep.contains(step) || (options.keep_every > 0 && step.value % options.keep_every == 0);
  });
  return steps;
}

std::vector<Step> best_first(std::span<const RetentionEntry> entries, const KeepBest& keep,
                             std::optional<Step> best) {
  std::vector<Step> steps;
  if (keep.count > 0) {
    if (best) steps.push_back(*best);
    for (const Step step : best_steps(entries, keep)) steps.push_back(step);
  }
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) steps.push_back(entry->step);
  return steps;
}

}  // namespace lockstep
