// SPDX-License-Identifier: Apache-2.0
#include "tensors/in_parallel.h"

#include <ATen/Parallel.h>

#ifndef INTRA_OP_PARALLEL
#error "at::parallel_for has one thread here (Note [threads of a rank])"
#endif

namespace lockstep {

void in_parallel(std::int64_t begin, std::int64_t end, std::int64_t grain,
                 const std::function<void(std::int64_t first, std::int64_t last)>& work) {
  at::parallel_for(begin, end, grain, work);
}

}  // namespace lockstep
