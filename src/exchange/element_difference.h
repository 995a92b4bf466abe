// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "lockstep/base/dtype.h"

namespace lockstep {

// The value of one element as a double: exact for all dtypes but int64 beyond 2^53.
double element_value(DType dtype, const std::byte* element);

// How two runs of elements of one dtype differ. Elements of equal bits are equal, NaN too; a NaN beside
// anything of other bits is a difference of NaN, which is worse than any number.
class ElementDifference {
 public:
  explicit ElementDifference(DType dtype) : dtype_(dtype) {}

  // The next elements of both, as many of one as of the other.
  void compare(std::span<const std::byte> first, std::span<const std::byte> second);

  bool equal() const { return !worst_.has_value(); }
  // Largest |a - b|; infinite where one is and the other is not.
  double max_abs() const { return max_abs_; }
  // Largest |a - b| / max(|a|, |b|): 0 to 2.
  double max_rel() const { return max_rel_; }
  // The first element with the largest |a - b|, counted from the start of the tensor; empty when all are
  // equal.
  std::optional<std::uint64_t> worst() const { return worst_; }

 private:
  void compare_element(std::uint64_t index, const std::byte* first, const std::byte* second);

  DType dtype_;
  std::uint64_t seen_ = 0;
  double max_abs_ = 0;
  double max_rel_ = 0;
  std::optional<std::uint64_t> worst_;
};

}  // namespace lockstep
