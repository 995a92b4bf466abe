// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/canonical_tree.h"

namespace lockstep {

// The mean over the micro-batches of a step, a short stretch at a time: partial sums that lie wherever they
// are, added along the canonical tree (Note [fixed-order sum]) while they are in cache, and divided once.
// Local; mean() may be called by several threads.
class TreeSum {
 public:
  // `nodes`: those of the partial sums, which together make up the whole tree.
  TreeSum(const std::vector<MicroBatchRun>& nodes, int micro_batches);

  // The longest stretch.
  static constexpr std::int64_t kMost = 1 << 15;

  // `terms`: `count` values of each partial sum, in the order of the nodes. Their mean; in `scratch`
  // (scratch_count() values), or where the only term has it.
  template <class Number>
  const Number* mean(const std::vector<const Number*>& terms, std::int64_t count, Number* scratch) const;
  std::int64_t scratch_count() const { return kMost * slots_; }

 private:
  // Operands are terms, then slots of the scratch.
  struct Sum {
    std::size_t left;
    std::size_t right;
    std::size_t into;
  };
  std::size_t plan(MicroBatchRun node, const std::vector<MicroBatchRun>& nodes, std::size_t depth);

  std::vector<Sum> sums_;
  std::size_t terms_;
  std::int64_t slots_ = 1;
  int micro_batches_;
};

}  // namespace lockstep
