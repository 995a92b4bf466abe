// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "tensors/slice.h"

namespace lockstep {

// A range cut into equal parts, one a rank, whole cache lines for every dtype, and what is left over: less
// than 64 elements a rank.
struct RankCut {
  static constexpr std::int64_t kAlign = 64;  // elements

  RankCut(Slice of, int of_ranks) : range(of), ranks(of_ranks), part(of.count() / ranks / kAlign * kAlign) {}

  Slice part_of(int rank) const { return {range.begin + rank * part, range.begin + (rank + 1) * part}; }
  Slice parts() const { return {range.begin, range.begin + ranks * part}; }
  Slice rest() const { return {parts().end, range.end}; }

  Slice range;
  int ranks;
  std::int64_t part;
};

}  // namespace lockstep
