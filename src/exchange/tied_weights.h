// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "exchange/weights.h"

namespace lockstep {

// Which tensors of a source are one tensor: by an alias the file tells of, or as copies, whose bits are
// compared. Local; reads the source.
class TiedWeights {
 public:
  // Outlives this.
  explicit TiedWeights(const WeightsSource& source) : source_(source) {}

  // The first name of its bytes.
  static const std::string& root_of(const WeightsTensor& tensor);
  bool are_one(const WeightsTensor& one, const WeightsTensor& other) const;
  // The one of `others` that has the bits of the matrix `tensor`; null where none has. Vectors are equal by
  // chance, and so are matrices of one number.
  const WeightsTensor* twin_of(const WeightsTensor& tensor,
                               const std::set<const WeightsTensor*>& others) const;

 private:
  std::vector<std::byte> bytes_of(const WeightsTensor& tensor) const;

  const WeightsSource& source_;
};

}  // namespace lockstep
