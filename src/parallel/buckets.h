// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/arena.h"
#include "tensors/slice.h"

namespace lockstep {

// Gradients that are exchanged as one.
struct Bucket {
  std::vector<std::size_t> parameters;  // of trainable()
  std::vector<Slice> ranges;            // of a contribution: where they lie, neighbours as one
};

struct BucketSizes {
  std::int64_t first_bytes = 1 << 20;  // small: the exchange can begin soon
  std::int64_t bytes = 25 << 20;
};

// Local. All trainable parameters of `arena`, with the padding behind each: those in `order` as given, the
// others behind them from the last to the first. A bucket is full once it has its bytes.
std::vector<Bucket> cut_into_buckets(const ModelArena& arena, const std::vector<std::int64_t>& order,
                                     const BucketSizes& sizes);

}  // namespace lockstep
