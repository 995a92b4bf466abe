// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>

namespace lockstep {

// A number with a meaning: a Rank is not a Step, and the compiler knows. `.value` takes the number out.
template <class Tag, class Rep>
struct Strong {
  Rep value{};

  constexpr Strong() = default;
  constexpr explicit Strong(Rep number) : value(number) {}
  constexpr auto operator<=>(const Strong&) const = default;
  constexpr Strong& operator++() {
    ++value;
    return *this;
  }
};

// One MPI process, numbered 0..world size - 1.
using Rank = Strong<struct RankTag, int>;
using WorldSize = Strong<struct WorldSizeTag, int>;

// One optimizer update, numbered from 1; step 0 is the state before the first.
using Step = Strong<struct StepTag, std::int64_t>;

// A pass over the training data, numbered from 0.
using Epoch = Strong<struct EpochTag, std::int64_t>;

// One forward/backward of a step, numbered 0..V - 1 for the life of the run.
using MicroBatchIndex = Strong<struct MicroBatchTag, int>;

// One life of the job between restarts, numbered from 1.
using Attempt = Strong<struct AttemptTag, int>;

}  // namespace lockstep
