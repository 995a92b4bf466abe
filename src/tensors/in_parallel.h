// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

namespace lockstep {

// Local. Calls `work(first, last)` for ranges that make up [begin, end), on LibTorch's threads for operators
// (train.threads of them): at once, in any order, none of them shorter than `grain` but the last. On the
// calling thread alone where one range is all there is, or inside another such call. Rethrows what `work`
// throws first.
//
// Note [threads of a rank]: at::parallel_for is a template, which has one thread, without a word, wherever
// its caller is not compiled with OpenMP. So it is called here alone, in a file that is, and the runtime is
// the one LibTorch has loaded: a second one would bring threads of its own.
void in_parallel(std::int64_t begin, std::int64_t end, std::int64_t grain,
                 const std::function<void(std::int64_t first, std::int64_t last)>& work);

// Local. From here on the calling thread computes alone whatever it computes, in LibTorch's operators, too.
// (at::parallel_for asks OpenMP alone; a c10::ParallelGuard says nothing to it.)
void compute_alone();

}  // namespace lockstep
