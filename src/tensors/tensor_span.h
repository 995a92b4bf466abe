// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/types.h>

#include "lockstep/base/span.h"

namespace lockstep {

// A contiguous tensor as the span collectives work on. Throws Bug for a dtype Lockstep does not move.
MutableSpan span_of(const torch::Tensor& tensor);
bool has_dtype(torch::ScalarType type);
DType dtype_of(torch::ScalarType type);
torch::ScalarType scalar_type_of(DType dtype);

}  // namespace lockstep
