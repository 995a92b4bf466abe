// SPDX-License-Identifier: Apache-2.0
#include "parallel/contribution_stack.h"

#include "lockstep/base/error.h"

namespace lockstep {

ContributionStack::ContributionStack(const ModelArena& arena, LeafRun run, int leaves)
    : arena_(arena), run_(run), leaves_(leaves) {}

void ContributionStack::push(LeafRun node) {
  if (depth_ == slots_.size()) slots_.push_back({node, arena_.new_contribution()});
  slots_[depth_++].node = node;
}

void ContributionStack::open(int leaf) {
  check(leaf >= run_.first && leaf < run_.end(), "a rank computes only its own micro-batches");
  const LeafRun pair{leaf - 1, 2};
  accumulates_ = depth_ > 0 && slots_[depth_ - 1].node == LeafRun{leaf - 1, 1} && is_node(pair, leaves_);
  if (accumulates_)
    slots_[depth_ - 1].node = pair;
  else
    push({leaf, 1});
}

void ContributionStack::close() {
  while (depth_ >= 2) {
    PartialSum& left = slots_[depth_ - 2];
    const LeafRun merged{left.node.first, left.node.count + slots_[depth_ - 1].node.count};
    if (!is_node(merged, leaves_)) return;
    left.flat.add_(slots_[depth_ - 1].flat);
    left.node = merged;
    --depth_;
  }
}

std::vector<PartialSum> ContributionStack::sums() const {
  return {slots_.begin(), slots_.begin() + static_cast<std::ptrdiff_t>(depth_)};
}

}  // namespace lockstep
