// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl/cuda_error.h"

#include <fmt/format.h>

namespace lockstep {

void try_cuda(cudaError_t result, const char* call, ExitCode code) {
  if (result == cudaSuccess) [[likely]]
    return;
  throw Fault(code, fmt::format("{} failed: {}", call, cudaGetErrorString(result)),
              "nvidia-smi shows the state of the GPUs of this host");
}

}  // namespace lockstep
