// SPDX-License-Identifier: Apache-2.0
#include "parallel/common_sums.h"

#include <iterator>

#include "comm/domain/host_domain.h"
#include "lockstep/base/error.h"
#include "parallel/common_tensors.h"
#include "parallel/ownership.h"

namespace lockstep {

CommonSums::CommonSums(const ModelArena& arena, const std::vector<MicroBatchRun>& nodes,
                       const std::vector<MicroBatchRun>& sums, int micro_batches)
    : arena_(arena), all_(nodes, {0, micro_batches}) {
  for (const MicroBatchRun node : sums) own_.emplace_back(nodes, node);
}

// Whole pages a contribution, so that no two ranks write to one.
std::unique_ptr<CommonSums> CommonSums::make(HostDomain& domain, const ModelArena& arena, int micro_batches,
                                             Born which) {
  const World& world = domain.world();
  const std::int64_t stride = in_whole_pages(arena.contribution_count(), arena.values().options());
  std::vector<MicroBatchRun> nodes;
  std::vector<std::int64_t> first = {0};
  std::vector<int> rank_of_node;
  std::vector<std::size_t> first_nodes;
  for (int rank = 0; rank < domain.size(); ++rank) {
    const Rank member(domain.members()[static_cast<std::size_t>(rank)]);
    const MicroBatchRun run = run_of(world, member, micro_batches);
    first_nodes.push_back(nodes.size());
    std::ranges::copy(nodes_of(world, member, micro_batches), std::back_inserter(nodes));
    rank_of_node.resize(nodes.size(), rank);
    first.push_back(first.back() +
                    static_cast<std::int64_t>(ContributionStack::depth_for(run, micro_batches)));
  }
  const std::int64_t count = first.back() * stride;
  auto born = which == Born::kNone ? nullptr : BornGradients::make(domain, arena, rank_of_node);
  // Of what is born elsewhere nothing is written here.
  const Pages pages = born == nullptr ? Pages::kReserved : Pages::kAsTouched;
  const torch::Tensor flat = zeros_in_common(domain, {count, count, pages}, arena.values().options());
  if (!flat.defined()) return nullptr;
  for (std::size_t other = 0; other < domain.domains().size(); ++other)
    if (other != domain.index())
      std::ranges::copy(nodes_of(world, domain.domains()[other], micro_batches), std::back_inserter(nodes));
  std::unique_ptr<CommonSums> all(
      new CommonSums(arena, nodes, nodes_of(world, domain.members(), micro_batches), micro_batches));
  for (int rank = 0; rank < domain.size(); ++rank) {
    const auto held = std::ranges::count(rank_of_node, rank);
    const std::int64_t begin = first[static_cast<std::size_t>(rank)];
    const std::int64_t slots = first[static_cast<std::size_t>(rank) + 1] - begin;
    for (std::int64_t slot = 0; slot < slots; ++slot) {
      const torch::Tensor place = flat.narrow(0, (begin + slot) * stride, arena.contribution_count());
      if (slot < held) all->sums_.push_back(place);
      if (rank == domain.rank()) all->slots_.push_back(place);
    }
  }
  all->first_nodes_ = std::move(first_nodes);
  all->born_ = std::move(born);
  all->cut_into_pieces();
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
  if (born_ == nullptr) return;
  born_->look();
  cut_into_pieces();
}

void CommonSums::allow_writes() {
  if (born_ != nullptr) born_->allow_writes();
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
