// SPDX-License-Identifier: Apache-2.0
#include "parallel/contribution_stack.h"

#include <algorithm>

#include "lockstep/base/error.h"

namespace lockstep {

torch::Tensor PartialSum::gradient(const ModelArena& arena, std::size_t index) const {
  return is_born(index) ? born[index] : ModelArena::view(flat, arena.trainable()[index]);
}

void PartialSum::add(const ModelArena& arena, PartialSum& other) {
  if (born.empty() && other.born.empty()) {
    flat.add_(other.flat);
    return;
  }
  for (std::size_t i = 0; i < arena.trainable().size(); ++i)
    gradient(arena, i).add_(other.gradient(arena, i));
  const std::int64_t rest = arena.contribution_count() - arena.trainable_count();
  flat.narrow(0, arena.trainable_count(), rest).add_(other.flat.narrow(0, arena.trainable_count(), rest));
  other.born.clear();
}

ContributionStack::ContributionStack(const ModelArena& arena, MicroBatchRun run, int micro_batches)
    : arena_(arena), run_(run), micro_batches_(micro_batches) {}

std::size_t ContributionStack::depth_for(MicroBatchRun run, int micro_batches) {
  std::size_t deepest = 0;
  std::vector<MicroBatchRun> stack;
  for (int index = run.first; index < run.end(); ++index) {
    MicroBatchRun top{index, 1};
    // A right child that is one micro-batch is added where its sibling lies.
    if (!(!stack.empty() && stack.back() == MicroBatchRun{index - 1, 1} &&
          is_node({index - 1, 2}, micro_batches)))
      deepest = std::max(deepest, stack.size() + 1);
    while (!stack.empty() && is_node({stack.back().first, stack.back().count + top.count}, micro_batches)) {
      top = {stack.back().first, stack.back().count + top.count};
      stack.pop_back();
    }
    stack.push_back(top);
  }
  return deepest;
}

void ContributionStack::use(const std::vector<torch::Tensor>& contributions) {
  check(contributions.size() >= depth_for(run_, micro_batches_), "every partial sum has a place");
  slots_.clear();
  for (const torch::Tensor& flat : contributions) slots_.push_back({{}, flat, {}});
}

void ContributionStack::clear() {
  depth_ = 0;
  handed_over_.clear();
  for (PartialSum& slot : slots_) slot.born.clear();
}

void ContributionStack::push(MicroBatchRun node) {
  if (depth_ == slots_.size()) slots_.push_back({node, arena_.new_contribution(), {}});
  slots_[depth_++].node = node;
}

void ContributionStack::open(int index) {
  check(index >= run_.first && index < run_.end(), "a rank computes only its own micro-batches");
  const MicroBatchRun pair{index - 1, 2};
  accumulates_ =
      depth_ > 0 && slots_[depth_ - 1].node == MicroBatchRun{index - 1, 1} && is_node(pair, micro_batches_);
  if (accumulates_)
    slots_[depth_ - 1].node = pair;
  else
    push({index, 1});
}

bool ContributionStack::merges(MicroBatchRun left, MicroBatchRun right) const {
  return is_node({left.first, left.count + right.count}, micro_batches_);
}

void ContributionStack::close() {
  while (depth_ >= 2) {
    PartialSum& left = slots_[depth_ - 2];
    PartialSum& right = slots_[depth_ - 1];
    if (!merges(left.node, right.node)) break;
    merge(left, right);
    left.node.count += right.node.count;
    --depth_;
  }
  handed_over_.clear();
}

void ContributionStack::merge(PartialSum& left, PartialSum& right) {
  if (handed_over_.empty()) return left.add(arena_, right);
  std::ranges::sort(handed_over_, {}, &Slice::begin);
  const auto add = [&](std::int64_t begin, std::int64_t end) {
    if (begin < end) left.flat.narrow(0, begin, end - begin).add_(right.flat.narrow(0, begin, end - begin));
  };
  std::int64_t at = 0;
  for (const Slice& slice : handed_over_) {
    add(at, slice.begin);
    at = slice.end;
  }
  add(at, arena_.contribution_count());
}

std::vector<ContributionStack::Merge> ContributionStack::hand_over(Slice slice) {
  handed_over_.push_back(slice);
  std::vector<Merge> pairs;
  MicroBatchRun right = slots_[depth_ - 1].node;
  check(right.end() == run_.end(), "only the last micro-batch's gradients leave early");
  for (std::size_t at = depth_ - 1; at > 0 && merges(slots_[at - 1].node, right); --at) {
    const auto values = [&](std::size_t slot) {
      check(slots_[slot].born.empty(), "what leaves early lies in the contribution");
      return slots_[slot].flat.narrow(0, slice.begin, slice.count());
    };
    pairs.push_back({values(at - 1), values(at)});
    right = {slots_[at - 1].node.first, slots_[at - 1].node.count + right.count};
  }
  return pairs;
}

std::vector<PartialSum> ContributionStack::sums() const {
  return {slots_.begin(), slots_.begin() + static_cast<std::ptrdiff_t>(depth_)};
}

std::vector<PartialSum> ContributionStack::sums_to_be() const {
  std::vector<PartialSum> sums;
  for (const MicroBatchRun node : complete_subtrees(run_, micro_batches_))
    sums.push_back({node, slots_.at(sums.size()).flat, {}});
  return sums;
}

}  // namespace lockstep
