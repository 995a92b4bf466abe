// SPDX-License-Identifier: Apache-2.0
#include "optim/kernels/compiled_kernels.h"
#include "optim/kernels/kernel_choice.h"

namespace lockstep {

std::vector<const UpdateKernels*> runnable_update_kernels() {
  return {&kDefaultUpdates};
}

}  // namespace lockstep
