// SPDX-License-Identifier: Apache-2.0
#include "comm/agree_alike.h"

#include <array>

namespace lockstep {

Agreed<LargestAlike> agree_alike(World& world, std::int64_t value, std::uint64_t fingerprint) {
  const auto mine = static_cast<std::int64_t>(fingerprint);
  // The largest complement is that of the smallest.
  std::array<std::int64_t, 3> all = {value, mine, ~mine};
  world.host().all_reduce({all.data(), all.size(), DType::kInt64}, {all.data(), all.size(), DType::kInt64},
                          ReduceOp::kMax);
  return AgreedMaker::make(LargestAlike{all[0], all[1] == ~all[2]});
}

}  // namespace lockstep
