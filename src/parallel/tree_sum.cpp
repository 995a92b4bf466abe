// SPDX-License-Identifier: Apache-2.0
#include "parallel/tree_sum.h"

#include <algorithm>
#include <bit>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

// In place is a loop of its own: where memory overlaps, the compiler's vectors are not taken.
template <class Number, class Make>
void make_each(const Number* from, std::int64_t count, Number* into, Make&& make) {
  if (from == into) {
    for (std::int64_t i = 0; i < count; ++i) into[i] = make(into[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) into[i] = make(from[i]);
  }
}

template <class Number>
void add(const PendingMean<Number>& mean, std::int64_t count, Number* into) {
  const auto [left, right, factor] = mean;
  if (left == into) {
    for (std::int64_t i = 0; i < count; ++i) into[i] = (into[i] + right[i]) * factor;
  } else if (right == into) {
    for (std::int64_t i = 0; i < count; ++i) into[i] = (left[i] + into[i]) * factor;
  } else {
    for (std::int64_t i = 0; i < count; ++i) into[i] = (left[i] + right[i]) * factor;
  }
}

}  // namespace

TreeSum::TreeSum(const std::vector<MicroBatchRun>& nodes, MicroBatchRun whole)
    : terms_(nodes.size()), total_(plan(whole, nodes, 0)), micro_batches_(whole.count) {}

// Depth-first: a slot of the scratch is free again once its sum was added to another.
std::size_t TreeSum::plan(MicroBatchRun node, const std::vector<MicroBatchRun>& nodes, std::size_t depth) {
  const auto there = std::ranges::find(nodes, node);
  if (there != nodes.end()) return static_cast<std::size_t>(there - nodes.begin());
  check(node.count > 1, "the partial sums make up the whole tree");
  const std::size_t left = plan(left_child(node), nodes, depth);
  const std::size_t right = plan(right_child(node), nodes, depth + 1);
  sums_.push_back({left, right, terms_ + depth});
  slots_ = std::max(slots_, static_cast<std::int64_t>(depth + 1));
  return sums_.back().into;
}

template <class Number>
PendingMean<Number> TreeSum::sum(const std::vector<const Number*>& terms, std::int64_t count,
                                 Number* scratch) const {
  const auto slot = [&](std::size_t index) {
    return scratch + static_cast<std::int64_t>(index - terms_) * kStretch;
  };
  const auto operand = [&](std::size_t index) { return index < terms_ ? terms[index] : slot(index); };
  if (sums_.empty()) return {operand(total_)};
  for (std::size_t i = 0; i + 1 < sums_.size(); ++i)
    write_mean<Number>({operand(sums_[i].left), operand(sums_[i].right)}, count, slot(sums_[i].into));
  return {operand(sums_.back().left), operand(sums_.back().right)};
}

// A power of two is multiplied with: the same bits.
template <class Number>
PendingMean<Number> TreeSum::mean(const std::vector<const Number*>& terms, std::int64_t count,
                                  Number* scratch) const {
  PendingMean<Number> mean = sum(terms, count, scratch);
  const auto divisor = static_cast<Number>(micro_batches_);
  if (std::has_single_bit(static_cast<unsigned>(micro_batches_))) {
    mean.factor = 1 / divisor;
    return mean;
  }
  write_mean(mean, count, scratch);
  make_each(scratch, count, scratch, [divisor](Number value) { return value / divisor; });
  return {scratch};
}

template <class Number>
void write_mean(const PendingMean<Number>& mean, std::int64_t count, Number* into) {
  if (mean.right != nullptr) return add(mean, count, into);
  make_each(mean.left, count, into, [factor = mean.factor](Number value) { return value * factor; });
}

template PendingMean<float> TreeSum::sum(const std::vector<const float*>&, std::int64_t, float*) const;
template PendingMean<double> TreeSum::sum(const std::vector<const double*>&, std::int64_t, double*) const;
template PendingMean<float> TreeSum::mean(const std::vector<const float*>&, std::int64_t, float*) const;
template PendingMean<double> TreeSum::mean(const std::vector<const double*>&, std::int64_t, double*) const;
template void write_mean(const PendingMean<float>&, std::int64_t, float*);
template void write_mean(const PendingMean<double>&, std::int64_t, double*);

}  // namespace lockstep
