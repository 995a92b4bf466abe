// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "exchange/tensor_source.h"

namespace lockstep {

// One tensor of either side.
struct TensorComparison {
  enum class Outcome { kEqual, kDifferent, kOtherDType, kOtherShape, kOnlyInFirst, kOnlyInSecond };

  std::string path;
  Outcome outcome = Outcome::kEqual;
  // Of tensors that were compared element by element; as ElementDifference gives them.
  double max_abs = 0;
  double max_rel = 0;
  Shape index;  // of the worst element; empty where there is none, and for a 0-dim tensor
  // Of the others: "float32 and float64", "[4, 4] and [4, 5]".
  std::string note;
};

struct Comparison {
  std::vector<TensorComparison> rows;  // sorted by path
  bool model_only = false;             // one side has no optimizer, so that of the other was left out

  bool equal() const;
};

// Local. Every byte of both is read, and compared with its digest where there is one. Throws Fault (65) for a
// tensor that is damaged, (74).
Comparison compare_tensors(const TensorSource& first, const TensorSource& second);

}  // namespace lockstep
