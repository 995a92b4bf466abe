// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lockstep::bench {

// The arrays of an AdamW update.
struct UpdateArrays {
  float* parameters = nullptr;
  const float* gradients = nullptr;
  float* exp_avg = nullptr;
  float* exp_avg_sq = nullptr;
};

// Reads and writes what an update of AdamW does, 28 bytes an element, and computes next to nothing: what
// memory allows. Values stay bounded.
void touch_what_adamw_does(const UpdateArrays& arrays, std::int64_t first, std::int64_t last);

// Reads `count` rows and writes their mean to all of them: what a rank does of an all-reduce in memory that
// all ranks have, where nothing is copied. 2 or 4 rows; values stay bounded.
void touch_what_a_sum_does(float* const* rows, int count, std::int64_t length);

}  // namespace lockstep::bench
