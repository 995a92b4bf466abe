// SPDX-License-Identifier: Apache-2.0
#include "parallel/common_sums.h"

#include "base/aligned_block.h"
#include "comm/domain/host_domain.h"
#include "parallel/common_tensors.h"
#include "parallel/ownership.h"

namespace lockstep {

// Whole pages a contribution, so that no two ranks write to one.
std::unique_ptr<CommonSums> CommonSums::make(HostDomain& domain, const ModelArena& arena, int micro_batches) {
  const auto page = static_cast<std::int64_t>(kDirectAlignment / arena.values().element_size());
  const std::int64_t stride = (arena.contribution_count() + page - 1) / page * page;
  std::vector<MicroBatchRun> runs, nodes;
  std::vector<std::int64_t> ends;  // of the nodes of each rank
  std::vector<std::int64_t> first = {0};
  for (int rank = 0; rank < domain.size(); ++rank) {
    runs.push_back(run_of(Rank(rank), WorldSize(domain.size()), micro_batches));
    for (const MicroBatchRun node : complete_subtrees(runs.back(), micro_batches)) nodes.push_back(node);
    ends.push_back(std::ssize(nodes));
    first.push_back(first.back() +
                    static_cast<std::int64_t>(ContributionStack::depth_for(runs.back(), micro_batches)));
  }
  const std::int64_t count = first.back() * stride;
  const torch::Tensor flat = zeros_in_common(domain, count, count, arena.values().options());
  if (!flat.defined()) return nullptr;
  std::unique_ptr<CommonSums> all(new CommonSums(nodes, micro_batches));
  for (std::size_t rank = 0; rank < runs.size(); ++rank) {
    const std::int64_t held = ends[rank] - (rank == 0 ? 0 : ends[rank - 1]);
    for (std::int64_t slot = 0; slot < first[rank + 1] - first[rank]; ++slot) {
      const torch::Tensor place = flat.narrow(0, (first[rank] + slot) * stride, arena.contribution_count());
      if (slot < held) all->sums_.push_back(place);
      if (static_cast<int>(rank) == domain.rank()) all->slots_.push_back(place);
    }
  }
  return all;
}

bool CommonSums::has(const torch::Tensor& sum) const {
  return std::ranges::any_of(
      slots_, [&](const torch::Tensor& slot) { return sum.const_data_ptr() == slot.const_data_ptr(); });
}

}  // namespace lockstep
