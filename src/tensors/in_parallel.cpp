// SPDX-License-Identifier: Apache-2.0
#include "tensors/in_parallel.h"

#include <ATen/Parallel.h>

#ifndef INTRA_OP_PARALLEL
#error "at::parallel_for has one thread here (Note [threads of a rank])"
#endif

// Of the runtime that is LibTorch's; the header belongs to each compiler's own.
extern "C" void omp_set_num_threads(int);

namespace lockstep {

void in_parallel(std::int64_t begin, std::int64_t end, std::int64_t grain,
                 const std::function<void(std::int64_t first, std::int64_t last)>& work) {
  at::parallel_for(begin, end, grain, work);
}

void compute_alone() {
  // Each sets a thread's number the first time it is asked: LibTorch's, and the one compiled into this file.
  at::get_num_threads();
  at::internal::lazy_init_num_threads();
  omp_set_num_threads(1);
}

}  // namespace lockstep
