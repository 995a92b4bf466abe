// SPDX-License-Identifier: Apache-2.0
#include "comm/watch/stragglers.h"

#include <algorithm>

namespace lockstep {
namespace {

constexpr double kRatio = 1.5;
// Below that it is the scheduler's noise, and nobody's loss.
constexpr double kLeastSeconds = 0.5e-3;
constexpr std::size_t kOpenBlocks = 4;

}  // namespace

std::optional<Straggler> Stragglers::note(const Beat& beat) {
  if (beat.block <= judged_ || ranks_ < 2) return std::nullopt;
  auto& block = blocks_[beat.block];
  const auto [place, fresh] = block.emplace(beat.rank, beat.block_s);
  if (!fresh || static_cast<int>(block.size()) < ranks_) {
    // A rank whose steps are shorter than a beat shows some blocks only.
    while (blocks_.size() > kOpenBlocks) blocks_.erase(blocks_.begin());
    return std::nullopt;
  }
  std::vector<double> values;
  Straggler worst;
  for (const auto& [rank, seconds] : block) {
    values.push_back(seconds);
    if (seconds > worst.seconds) worst = {rank, 1, seconds};
  }
  judged_ = beat.block;
  blocks_.erase(blocks_.begin(), std::next(blocks_.find(beat.block)));
  // Of two ranks the faster one: their mean would hide a rank that needs twice as long.
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (worst.seconds - *middle < kLeastSeconds || worst.seconds <= kRatio * *middle) return std::nullopt;
  worst.ratio = worst.seconds / *middle;
  return worst;
}

}  // namespace lockstep
