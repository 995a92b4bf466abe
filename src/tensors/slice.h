// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

namespace lockstep {

// Elements [begin, end) of a flat tensor.
struct Slice {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  std::int64_t count() const { return end - begin; }
  bool operator==(const Slice&) const = default;
};

// What lies in both; empty where nothing does.
inline Slice overlap_of(Slice one, Slice other) {
  const std::int64_t begin = std::max(one.begin, other.begin);
  return {begin, std::max(begin, std::min(one.end, other.end))};
}

}  // namespace lockstep
