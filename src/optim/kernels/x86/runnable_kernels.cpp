// SPDX-License-Identifier: Apache-2.0
#include "optim/kernels/compiled_kernels.h"
#include "optim/kernels/kernel_choice.h"

namespace lockstep {

std::vector<const UpdateKernels*> runnable_update_kernels() {
  std::vector<const UpdateKernels*> runnable = {&kDefaultUpdates};
  if (__builtin_cpu_supports("avx2")) runnable.push_back(&kAvx2Updates);
  if (__builtin_cpu_supports("avx512f")) runnable.push_back(&kAvx512Updates);
  return runnable;
}

}  // namespace lockstep
