// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "parallel/contribution_stack.h"
#include "parallel/tree_sum.h"

namespace lockstep {

class HostDomain;

// The partial sums of all ranks of a domain, where every rank can read them, and means over them.
class CommonSums {
 public:
  // Collective. Null on all ranks where there is no room.
  static std::unique_ptr<CommonSums> make(HostDomain& domain, const ModelArena& arena, int micro_batches);

  // Local. This rank's contributions: as many as its stack is deep; those it ends with come first.
  const std::vector<torch::Tensor>& slots() const { return slots_; }
  // Local. Is it one of them, or a part?
  bool has(const torch::Tensor& sum) const;

  // Local. `use(first, count, mean)` for stretches of `length` values that make up [begin, end), the mean
  // over all micro-batches of each; on several threads at once, in any order.
  template <class Number, class Use>
  void each_stretch(std::int64_t begin, std::int64_t end, std::int64_t length, Use&& use) const {
    std::vector<const Number*> terms;
    for (const torch::Tensor& sum : sums_) terms.push_back(sum.const_data_ptr<Number>());
    at::parallel_for(0, (end - begin + length - 1) / length, 1, [&](std::int64_t from, std::int64_t to) {
      std::vector<Number> scratch(static_cast<std::size_t>(tree_.scratch_count()));
      for (std::int64_t i = from; i < to; ++i) {
        const std::int64_t first = begin + i * length;
        const std::int64_t count = std::min(length, end - first);
        use(first, count, tree_.mean(terms, first, count, scratch.data()));
      }
    });
  }

 private:
  CommonSums(const std::vector<MicroBatchRun>& nodes, int micro_batches) : tree_(nodes, micro_batches) {}

  TreeSum tree_;
  std::vector<torch::Tensor> sums_;  // of all ranks, in the order of the nodes
  std::vector<torch::Tensor> slots_;
};

}  // namespace lockstep
