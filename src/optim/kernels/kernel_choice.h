// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "optim/kernels/update_kernels.h"

namespace lockstep {

// Local. Those that this processor can run, the DEFAULT ones first, the widest last.
std::vector<const UpdateKernels*> runnable_update_kernels();

// Local. Those for `capability`, to which LibTorch's own kernels keep too; the DEFAULT ones where there are
// none.
const UpdateKernels& update_kernels_for(std::string_view capability);

}  // namespace lockstep
