// SPDX-License-Identifier: Apache-2.0
#include "parallel/ownership.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

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

MicroBatchRun run_of(const World& world, Rank rank, int micro_batches) {
  const std::vector<int>& positions = world.place().positions;
  const int position = positions.empty() ? rank.value : positions[static_cast<std::size_t>(rank.value)];
  return run_of(Rank(position), world.size(), micro_batches);
}

std::vector<MicroBatchRun> nodes_of(const World& world, Rank rank, int micro_batches) {
  return complete_subtrees(run_of(world, rank, micro_batches), micro_batches);
}

std::vector<MicroBatchRun> nodes_of(const World& world, const std::vector<int>& ranks, int micro_batches) {
  std::vector<MicroBatchRun> all;
  for (const int rank : ranks)
    std::ranges::copy(nodes_of(world, Rank(rank), micro_batches), std::back_inserter(all));
  return joined(std::move(all), micro_batches);
}

}  // namespace lockstep
