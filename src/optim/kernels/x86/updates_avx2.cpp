// SPDX-License-Identifier: Apache-2.0
#include "optim/kernels/compiled_kernels.h"
#include "optim/kernels/update_loops_inl.h"

namespace lockstep {

constinit const UpdateKernels kAvx2Updates{"AVX2",      adam<float>,    adam<double>,   sgd<float>,
                                           sgd<double>, squares<float>, squares<double>};

}  // namespace lockstep
