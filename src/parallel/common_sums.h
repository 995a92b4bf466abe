// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "lockstep/base/error.h"
#include "optim/clip.h"
#include "parallel/born_gradients.h"
#include "parallel/contribution_stack.h"
#include "parallel/tree_sum.h"
#include "tensors/in_parallel.h"
#include "tensors/slice.h"

namespace lockstep {

class HostDomain;

// The partial sums of all ranks of a domain, where every rank can read them, and means over them.
class CommonSums {
 public:
  // Which gradients are read where autograd has made them (Note [born gradients]).
  enum class Born { kLarge, kNone };
  // Collective. Null on all ranks where there is no room.
  static std::unique_ptr<CommonSums> make(HostDomain& domain, const ModelArena& arena, int micro_batches,
                                          Born born);

  // Local. This rank's contributions: as many as its stack is deep; those it ends with come first.
  const std::vector<torch::Tensor>& slots() const { return slots_; }
  // Local. As GradientExchange::reads_in_place().
  std::function<bool(const torch::Tensor&)> reads_in_place() const;

  // Collective over the domain. This rank's partial sums of the step are there, and so are those of the
  // others; where no gradient is born: of the ranges that are asked for until the next gather().
  void gather(HostDomain& domain, const std::vector<PartialSum>& sums);

  // Local, after gather(). `use(first, count, mean)` for short stretches that make up `range`, of each the
  // PendingMean over all micro-batches; on several threads at once, but those of a block (kNormBlock, counted
  // from where `range` begins) on one, in their order. `others`: of the sums of the other domains (nodes_of()
  // each, in their order) what belongs to `range`.
  template <class Number, class Use>
  void each_mean(Slice range, const std::vector<torch::Tensor>& others, Use&& use) const {
    check(sums_.size() + others.size() == all_.terms(), "a mean is over all domains");
    each_block<Number, true>(range, {all_, others, range.begin}, use);
  }
  // The same with the sum over the node-th of the domain's own nodes_of().
  template <class Number, class Use>
  void each_sum(std::size_t node, Slice range, Use&& use) const {
    each_block<Number, false>(range, {own_[node], {}, range.begin}, use);
  }
  // Local, before putting_in_place(). Throws Fault (69).
  void allow_writes();
  // For `use` of each_mean(): puts the mean over what it was made of. Once that was done for all of the
  // gradients, by all ranks, each has their means where it had its first partial sum.
  template <class Number>
  auto putting_in_place() const {
    return [this](std::int64_t first, std::int64_t count, const PendingMean<Number>& mean) {
      each_piece({first, first + count}, [&](const Piece& piece, std::int64_t at, std::int64_t here) {
        const auto to = [&](std::size_t node) { return const_cast<Number*>(place<Number>(node, piece, at)); };
        Number* const made = to(first_nodes_.front());
        write_mean(mean.from(at - first), here, made);
        for (std::size_t i = 1; i < first_nodes_.size(); ++i) std::copy_n(made, here, to(first_nodes_[i]));
      });
    };
  }
  // For `use`: to `values`, of which the first is number `begin`.
  template <class Number>
  static auto copying_to(Number* values, std::int64_t begin) {
    return [values, begin](std::int64_t first, std::int64_t count, const PendingMean<Number>& mean) {
      write_mean(mean, count, values + (first - begin));
    };
  }

 private:
  // Values that lie together in each partial sum: those of one parameter, or all between two born ones.
  struct Piece {
    std::int64_t begin;
    std::int64_t end;
    std::ptrdiff_t born;  // which parameter, if any rank's gradient of it is; else -1
  };

  // What is added.
  struct Terms {
    const TreeSum& tree;
    const std::vector<torch::Tensor>& others;
    std::int64_t others_begin;
  };

  // `nodes`: of the partial sums of the domain's ranks, then of the other domains; `sums`: the domain's own.
  CommonSums(const ModelArena& arena, const std::vector<MicroBatchRun>& nodes,
             const std::vector<MicroBatchRun>& sums, int micro_batches);
  bool has(const torch::Tensor& sum) const;
  void cut_into_pieces();
  bool is_born(std::size_t parameter) const;

  template <class Number, bool kMean, class Use>
  void each_block(Slice range, const Terms& of, const Use& use) const {
    in_parallel(0, (range.count() + kNormBlock - 1) / kNormBlock, 1, [&](std::int64_t from, std::int64_t to) {
      std::vector<const Number*> terms(sums_.size() + of.others.size());
      std::vector<Number> scratch(static_cast<std::size_t>(of.tree.scratch_count()));
      const Slice mine{range.begin + from * kNormBlock, std::min(range.begin + to * kNormBlock, range.end)};
      each_piece(mine, [&](const Piece& piece, std::int64_t first, std::int64_t count) {
        auto term = terms.begin();
        for (std::size_t node = 0; node < sums_.size(); ++node) *term++ = place<Number>(node, piece, first);
        for (const torch::Tensor& other : of.others)
          *term++ = other.const_data_ptr<Number>() + (first - of.others_begin);
        use(first, count,
            kMean ? of.tree.mean(terms, count, scratch.data()) : of.tree.sum(terms, count, scratch.data()));
      });
    });
  }

  // `use(piece, first, count)` for parts of one piece, no longer than a stretch, that make up `range`.
  template <class Use>
  void each_piece(Slice range, const Use& use) const {
    auto piece = std::ranges::upper_bound(pieces_, range.begin, {}, &Piece::end);
    for (std::int64_t at = range.begin; at < range.end;) {
      const std::int64_t end = std::min({range.end, piece->end, at + TreeSum::kStretch});
      use(*piece, at, end - at);
      at = end;
      if (at == piece->end) ++piece;
    }
  }
  // Where a partial sum has its value number `first`, which is in `piece`.
  template <class Number>
  const Number* place(std::size_t node, const Piece& piece, std::int64_t first) const {
    const void* const born =
        piece.born < 0 ? nullptr : born_->place(node, static_cast<std::size_t>(piece.born));
    return born == nullptr ? sums_[node].const_data_ptr<Number>() + first
                           : static_cast<const Number*>(born) + (first - piece.begin);
  }

  const ModelArena& arena_;
  TreeSum all_;
  std::vector<TreeSum> own_;
  std::vector<torch::Tensor> sums_;       // of all ranks of the domain, in the order of the nodes
  std::vector<std::size_t> first_nodes_;  // of each rank
  std::vector<torch::Tensor> slots_;
  std::unique_ptr<BornGradients> born_;  // null: all are copied
  std::vector<Piece> pieces_;
};

}  // namespace lockstep
