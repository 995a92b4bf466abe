// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "parallel/born_gradients.h"
#include "parallel/contribution_stack.h"
#include "parallel/tree_sum.h"
#include "tensors/in_parallel.h"

namespace lockstep {

class HostDomain;

// The partial sums of all ranks of a domain, where every rank can read them, and means over them.
class CommonSums {
 public:
  // Collective. Null on all ranks where there is no room.
  static std::unique_ptr<CommonSums> make(HostDomain& domain, const ModelArena& arena, int micro_batches);

  // Local. This rank's contributions: as many as its stack is deep; those it ends with come first.
  const std::vector<torch::Tensor>& slots() const { return slots_; }
  // Local. As GradientExchange::reads_in_place().
  std::function<bool(const torch::Tensor&)> reads_in_place() const;

  // Collective. This rank's partial sums of the step are there, and so are those of the others.
  void gather(HostDomain& domain, const std::vector<PartialSum>& sums);

  // Local, after gather(). `use(first, count, mean)` for stretches of `length` values that make up
  // [begin, end), the mean over all micro-batches of each; on several threads at once, in any order.
  template <class Number, class Use>
  void each_stretch(std::int64_t begin, std::int64_t end, std::int64_t length, Use&& use) const {
    in_parallel(0, (end - begin + length - 1) / length, 1, [&](std::int64_t from, std::int64_t to) {
      Desk<Number> desk(*this, length);
      for (std::int64_t i = from; i < to; ++i) {
        const std::int64_t first = begin + i * length;
        const std::int64_t count = std::min(length, end - first);
        use(first, count, mean_of(first, count, desk));
      }
    });
  }

 private:
  // Values that lie together in each partial sum: those of one parameter, or all between two born ones.
  struct Piece {
    std::int64_t begin;
    std::int64_t end;
    std::ptrdiff_t born;  // which parameter, if any rank's gradient of it is; else -1
  };

  // What one thread works with.
  template <class Number>
  struct Desk {
    Desk(const CommonSums& of, std::int64_t length)
        : terms(of.sums_.size()),
          sums(static_cast<std::size_t>(of.tree_.scratch_count())),
          joined(static_cast<std::size_t>(length)) {}
    std::vector<const Number*> terms;
    std::vector<Number> sums;
    std::vector<Number> joined;
  };

  CommonSums(const ModelArena& arena, const std::vector<MicroBatchRun>& nodes, int micro_batches)
      : arena_(arena), tree_(nodes, micro_batches) {}
  bool has(const torch::Tensor& sum) const;
  void cut_into_pieces();
  bool is_born(std::size_t parameter) const;

  // `count` values from `first` on, as a mean; on the desk, or where the only term has it.
  template <class Number>
  const Number* mean_of(std::int64_t first, std::int64_t count, Desk<Number>& desk) const {
    auto piece = std::ranges::upper_bound(pieces_, first, {}, &Piece::end);
    if (first + count <= piece->end) return mean_in(*piece, first, count, desk);
    for (std::int64_t at = first; at < first + count; at = piece++->end) {
      const std::int64_t here = std::min(first + count, piece->end) - at;
      std::copy_n(mean_in(*piece, at, here, desk), here, desk.joined.data() + (at - first));
    }
    return desk.joined.data();
  }

  template <class Number>
  const Number* mean_in(const Piece& piece, std::int64_t first, std::int64_t count,
                        Desk<Number>& desk) const {
    for (std::size_t node = 0; node < sums_.size(); ++node) {
      const void* const born =
          piece.born < 0 ? nullptr : born_->place(node, static_cast<std::size_t>(piece.born));
      desk.terms[node] = born == nullptr ? sums_[node].const_data_ptr<Number>() + first
                                         : static_cast<const Number*>(born) + (first - piece.begin);
    }
    return tree_.mean(desk.terms, count, desk.sums.data());
  }

  const ModelArena& arena_;
  TreeSum tree_;
  std::vector<torch::Tensor> sums_;  // of all ranks, in the order of the nodes
  std::vector<torch::Tensor> slots_;
  std::unique_ptr<BornGradients> born_;  // null: all are copied
  std::vector<Piece> pieces_;
};

}  // namespace lockstep
