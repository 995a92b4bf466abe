// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "comm/watch/beat.h"

namespace lockstep {

// A rank that needed longer than the others, for a block of Watch::kBlock steps.
struct Straggler {
  int rank = 0;
  double ratio = 1;  // to the median
  double seconds = 0;
};

// Compares the ranks' own work before the exchange, block by block: a block's value is the median of its
// steps, so one slow step is none.
class Stragglers {
 public:
  explicit Stragglers(int ranks) : ranks_(ranks) {}

  // The worst one of the block that `beat` completes, when it is slower than 1.5 times the median of all
  // ranks.
  std::optional<Straggler> note(const Beat& beat);
  // The newest block that was compared.
  std::int64_t judged() const { return judged_; }

 private:
  int ranks_;
  std::int64_t judged_ = 0;
  std::map<std::int64_t, std::map<int, double>> blocks_;  // of which some rank is not known yet
};

}  // namespace lockstep
