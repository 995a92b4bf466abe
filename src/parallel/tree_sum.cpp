// SPDX-License-Identifier: Apache-2.0
#include "parallel/tree_sum.h"

#include <algorithm>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

// In place is a loop of its own: where memory overlaps, the compiler's vectors are not taken.
template <class Number>
void add(const Number* left, const Number* right, std::int64_t count, Number* into) {
  if (left == into) {
    for (std::int64_t i = 0; i < count; ++i) into[i] += right[i];
  } else {
    for (std::int64_t i = 0; i < count; ++i) into[i] = left[i] + right[i];
  }
}

template <class Number, class Change>
void change(const Number* values, std::int64_t count, Number* into, Change&& changed) {
  if (values == into) {
    for (std::int64_t i = 0; i < count; ++i) into[i] = changed(into[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) into[i] = changed(values[i]);
  }
}

// A power of two is multiplied with: the same bits, and faster.
template <class Number>
void divide(const Number* values, std::int64_t count, int by, Number* into) {
  const auto divisor = static_cast<Number>(by);
  const Number factor = 1 / divisor;
  if ((by & (by - 1)) == 0)
    change(values, count, into, [factor](Number value) { return value * factor; });
  else
    change(values, count, into, [divisor](Number value) { return value / divisor; });
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
const Number* TreeSum::sum(const std::vector<const Number*>& terms, std::int64_t count,
                           Number* scratch) const {
  const auto operand = [&](std::size_t index) {
    return index < terms_ ? terms[index] : scratch + static_cast<std::int64_t>(index - terms_) * kMost;
  };
  for (const Sum& sum : sums_)
    add(operand(sum.left), operand(sum.right), count,
        scratch + static_cast<std::int64_t>(sum.into - terms_) * kMost);
  return operand(total_);
}

template <class Number>
const Number* TreeSum::mean(const std::vector<const Number*>& terms, std::int64_t count,
                            Number* scratch) const {
  const Number* const total = sum(terms, count, scratch);
  if (micro_batches_ == 1) return total;
  divide(total, count, micro_batches_, scratch);
  return scratch;
}

template const float* TreeSum::sum(const std::vector<const float*>&, std::int64_t, float*) const;
template const double* TreeSum::sum(const std::vector<const double*>&, std::int64_t, double*) const;
template const float* TreeSum::mean(const std::vector<const float*>&, std::int64_t, float*) const;
template const double* TreeSum::mean(const std::vector<const double*>&, std::int64_t, double*) const;

}  // namespace lockstep
