// SPDX-License-Identifier: Apache-2.0
#include "parallel/common_sums.h"

#include "base/aligned_block.h"
#include "comm/domain/host_domain.h"
#include "lockstep/base/error.h"
#include "parallel/common_tensors.h"
#include "parallel/ownership.h"

namespace lockstep {

// Whole pages a contribution, so that no two ranks write to one.
std::unique_ptr<CommonSums> CommonSums::make(HostDomain& domain, const ModelArena& arena, int micro_batches) {
  const auto page = static_cast<std::int64_t>(kDirectAlignment / arena.values().element_size());
  const std::int64_t stride = (arena.contribution_count() + page - 1) / page * page;
  std::vector<MicroBatchRun> runs, nodes;
  std::vector<std::int64_t> first = {0};
  std::vector<int> rank_of_node;
  for (int rank = 0; rank < domain.size(); ++rank) {
    runs.push_back(run_of(Rank(rank), WorldSize(domain.size()), micro_batches));
    for (const MicroBatchRun node : complete_subtrees(runs.back(), micro_batches)) nodes.push_back(node);
    rank_of_node.resize(nodes.size(), rank);
    first.push_back(first.back() +
                    static_cast<std::int64_t>(ContributionStack::depth_for(runs.back(), micro_batches)));
  }
  const std::int64_t count = first.back() * stride;
  auto born = BornGradients::make(domain, arena, rank_of_node);
  // Of what is born elsewhere nothing is written here.
  const Pages pages = born == nullptr ? Pages::kReserved : Pages::kAsTouched;
  const torch::Tensor flat = zeros_in_common(domain, {count, count, pages}, arena.values().options());
  if (!flat.defined()) return nullptr;
  std::unique_ptr<CommonSums> all(new CommonSums(arena, nodes, micro_batches));
  for (std::size_t rank = 0; rank < runs.size(); ++rank) {
    const auto held = std::ranges::count(rank_of_node, static_cast<int>(rank));
    for (std::int64_t slot = 0; slot < first[rank + 1] - first[rank]; ++slot) {
      const torch::Tensor place = flat.narrow(0, (first[rank] + slot) * stride, arena.contribution_count());
      if (slot < held) all->sums_.push_back(place);
      if (static_cast<int>(rank) == domain.rank()) all->slots_.push_back(place);
    }
  }
  all->born_ = std::move(born);
  return all;
}

std::function<bool(const torch::Tensor&)> CommonSums::reads_in_place() const {
  if (born_ == nullptr) return nullptr;
  return [this](const torch::Tensor& gradient) { return born_->adopts(gradient); };
}

void CommonSums::gather(HostDomain& domain, const std::vector<PartialSum>& sums) {
  for (const PartialSum& sum : sums) check(has(sum.flat), "partial sums lie where all ranks can read them");
  if (born_ != nullptr) born_->publish(sums);
  domain.barrier("partial sums are there");
  if (born_ != nullptr) born_->look();
  cut_into_pieces();
}

bool CommonSums::is_born(std::size_t parameter) const {
  for (std::size_t node = 0; born_ != nullptr && node < sums_.size(); ++node)
    if (born_->place(node, parameter) != nullptr) return true;
  return false;
}

void CommonSums::cut_into_pieces() {
  pieces_.clear();
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < arena_.trainable().size(); ++i) {
    if (!is_born(i)) continue;
    const ArenaEntry& entry = arena_.trainable()[i];
    if (begin < entry.offset) pieces_.push_back({begin, entry.offset, -1});
    begin = entry.offset + entry.count;
    pieces_.push_back({entry.offset, begin, static_cast<std::ptrdiff_t>(i)});
  }
  pieces_.push_back({begin, arena_.contribution_count(), -1});
}

bool CommonSums::has(const torch::Tensor& sum) const {
  return std::ranges::any_of(
      slots_, [&](const torch::Tensor& slot) { return sum.const_data_ptr() == slot.const_data_ptr(); });
}

}  // namespace lockstep
