// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "lockstep/base/dtype.h"
#include "lockstep/comm/communicator.h"

namespace lockstep {

// Local. into[i] = op(from[i], into[i]) for `count` elements; the spans do not overlap. Symmetric in its
// arguments to the bit: min and max give NaN when either is NaN and tell -0 from +0, 16-bit sums are made in
// float and rounded once, integers wrap. Throws Bug for a dtype that cannot be reduced.
void reduce_elements(ReduceOp op, ConstSpan from, void* into);

}  // namespace lockstep
