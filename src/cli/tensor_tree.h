// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "exchange/weights.h"

namespace lockstep {

// Local. Tensors as a tree of the parts of their names, a line each, with the number of tensors and of bytes
// below each branch: for a terminal. Names may come from anywhere: they are escaped, and the depth is
// limited.
std::string tensor_tree(std::span<const WeightsTensor> tensors);

}  // namespace lockstep
