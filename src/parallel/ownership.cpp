// SPDX-License-Identifier: Apache-2.0
#include "parallel/ownership.h"

#include <fmt/format.h>

#include <algorithm>

#include "lockstep/base/error.h"

namespace lockstep {

MicroBatchRun run_of(Rank rank, WorldSize world, int micro_batches) {
  if (world.value > micro_batches)
    throw Fault(ExitCode::kConfig,
                fmt::format("{} ranks, but a step has only {} micro-batches (global_batch / micro_batch)",
                            world.value, micro_batches),
                fmt::format("Start 1 to {} ranks, or make train.micro_batch smaller", micro_batches));
  const int share = micro_batches / world.value;
  const int longer = micro_batches % world.value;
  return {rank.value * share + std::min(rank.value, longer), share + (rank.value < longer ? 1 : 0)};
}

}  // namespace lockstep
