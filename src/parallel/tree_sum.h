// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/canonical_tree.h"
#include "tensors/pending_mean.h"

namespace lockstep {

// The sum over a node of the canonical tree (Note [fixed-order sum]), a short stretch at a time: partial sums
// that lie wherever they are, added while they are in cache. Local; sum() and mean() may be called by several
// threads.
class TreeSum {
 public:
  // `nodes`: those of the partial sums, of which some together make up `whole`.
  TreeSum(const std::vector<MicroBatchRun>& nodes, MicroBatchRun whole);

  // The longest stretch: what is summed is still in the first cache for whoever goes on with it.
  static constexpr std::int64_t kStretch = 1024;

  // `terms`: `count` values of each partial sum, in the order of the nodes; those beside `whole` are not
  // read. Their sum but for its last addition, of terms and of sums in `scratch` (scratch_count() values).
  template <class Number>
  PendingMean<Number> sum(const std::vector<const Number*>& terms, std::int64_t count, Number* scratch) const;
  // The same divided by the number of micro-batches.
  template <class Number>
  PendingMean<Number> mean(const std::vector<const Number*>& terms, std::int64_t count,
                           Number* scratch) const;
  std::size_t terms() const { return terms_; }
  std::int64_t scratch_count() const { return kStretch * slots_; }

 private:
  // Operands are terms, then slots of the scratch.
  struct Sum {
    std::size_t left;
    std::size_t right;
    std::size_t into;
  };
  std::size_t plan(MicroBatchRun node, const std::vector<MicroBatchRun>& nodes, std::size_t depth);

  std::vector<Sum> sums_;
  std::int64_t slots_ = 1;
  std::size_t terms_;
  std::size_t total_;  // the operand that is the sum of the whole
  int micro_batches_;
};

// Local. Makes the last addition of `count` values; `into` may be one of the two sums itself.
template <class Number>
void write_mean(const PendingMean<Number>& mean, std::int64_t count, Number* into);

}  // namespace lockstep
