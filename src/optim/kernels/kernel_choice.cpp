// SPDX-License-Identifier: Apache-2.0
#include "optim/kernels/kernel_choice.h"

namespace lockstep {

const UpdateKernels& update_kernels_for(std::string_view capability) {
  const std::vector<const UpdateKernels*> runnable = runnable_update_kernels();
  for (const UpdateKernels* one : runnable)
    if (one->capability == capability) return *one;
  return *runnable.front();
}

}  // namespace lockstep
