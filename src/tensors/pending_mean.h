// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lockstep {

// The mean of neighbouring elements but for its last addition, each operation rounded:
// (left[i] + right[i]) * factor; without `right`, left[i] * factor. Whoever goes on with it makes that in
// registers and saves a pass over memory.
template <class Number>
struct PendingMean {
  const Number* left = nullptr;
  const Number* right = nullptr;
  Number factor = 1;

  PendingMean from(std::int64_t element) const {
    return {left + element, right == nullptr ? nullptr : right + element, factor};
  }
};

}  // namespace lockstep
