// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include "lockstep/base/error.h"

namespace lockstep {

// Throws Fault with the runtime's own text when `result`, what the function `call` returned, is an error.
void try_cuda(cudaError_t result, const char* call, ExitCode code = ExitCode::kPeerLost);

}  // namespace lockstep
