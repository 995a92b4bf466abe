// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "optim/kernels/update_kernels.h"

namespace lockstep {

// Constants without code of their own, so that what holds instructions that this processor lacks can be named
// on it. CMake compiles each with its instruction set, the wide ones on x86-64 alone.
extern const UpdateKernels kDefaultUpdates;
extern const UpdateKernels kAvx2Updates;
extern const UpdateKernels kAvx512Updates;

}  // namespace lockstep
