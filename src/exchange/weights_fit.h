// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "exchange/weights.h"

namespace lockstep {

// A tensor of a model that weights go into.
struct WeightsPlace {
  std::vector<std::string> names;  // all of them, where it is tied
  TensorType type;
};

// May a tensor be converted on its way in?
enum class Conversion {
  kNone,    // the dtypes are equal: training goes on from these bits
  kWithin,  // floating to floating, integer to a wider integer
};

// Local. May `tensor`, of this name in the model, go into `place`? Throws Fault: 78 for another shape or
// dtype, or one that is transposed; 65 where it cannot be read.
void require_fit(const std::string& name, const WeightsTensor& tensor, const TensorType& place,
                 Conversion conversion);

// Two matrices, not square, of which each has the shape of the other turned over.
bool is_transposed(const Shape& one, const Shape& other);

// Throws Fault (78). `remedy`: empty for the usual one.
[[noreturn]] void refuse_weights(const std::string& name, const std::string& what, std::string remedy = "");

}  // namespace lockstep
