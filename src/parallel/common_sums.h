// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "lockstep/base/error.h"
#include "parallel/born_gradients.h"
#include "parallel/contribution_stack.h"
#include "parallel/slice.h"
#include "parallel/tree_sum.h"
#include "tensors/in_parallel.h"

namespace lockstep {

class HostDomain;

// The partial sums of all ranks of a domain, where every rank can read them, and means over them.
class CommonSums {
 public:
  // Of a pass that goes on with what was summed: it is still in the first cache.
  static constexpr std::int64_t kStretch = 1024;

  // Collective. Null on all ranks where there is no room.
  static std::unique_ptr<CommonSums> make(HostDomain& domain, const ModelArena& arena, int micro_batches);

  // Local. This rank's contributions: as many as its stack is deep; those it ends with come first.
  const std::vector<torch::Tensor>& slots() const { return slots_; }
  // Local. As GradientExchange::reads_in_place().
  std::function<bool(const torch::Tensor&)> reads_in_place() const;

  // Collective. This rank's partial sums of the step are there, and so are those of the others.
  void gather(HostDomain& domain, const std::vector<PartialSum>& sums);

  // Local, after gather(). `use(first, count, mean)` for stretches of `length` values that make up `range`,
  // the mean over all micro-batches of each; on several threads at once, in any order. `others`: of the sums
  // of the other domains (nodes_of() each, in their order) what belongs to `range`.
  template <class Number, class Use>
  void each_mean(Slice range, std::int64_t length, const std::vector<torch::Tensor>& others,
                 Use&& use) const {
    check(sums_.size() + others.size() == all_.terms(), "a mean is over all domains");
    each_stretch<Number, true>(range, length, {all_, others}, use);
  }
  // The same with the sum over the node-th of the domain's own nodes_of().
  template <class Number, class Use>
  void each_sum(std::size_t node, Slice range, std::int64_t length, Use&& use) const {
    each_stretch<Number, false>(range, length, {own_[node], {}}, use);
  }
  // Local, before putting_in_place(). Throws Fault (69).
  void allow_writes();
  // For `use` of each_mean(): writes the mean over what it was made of. Once that was done for all of the
  // gradients, by all ranks, each has their means where it had its first partial sum.
  template <class Number>
  auto putting_in_place() const {
    return [this](std::int64_t first, std::int64_t count, const Number* mean) {
      for (auto piece = piece_of(first); count > 0; ++piece) {
        const std::int64_t here = std::min(count, piece->end - first);
        for (const std::size_t node : first_nodes_)
          std::copy_n(mean, here, const_cast<Number*>(place<Number>(node, *piece, first)));
        first += here, mean += here, count -= here;
      }
    };
  }
  // For `use`: into `values`, of which the first is number `begin`.
  template <class Number>
  static auto copying_to(const torch::Tensor& values, std::int64_t begin) {
    return [to = values.mutable_data_ptr<Number>(), begin](std::int64_t first, std::int64_t count,
                                                           const Number* from) {
      std::copy_n(from, count, to + (first - begin));
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
  };

  // What one thread works with.
  template <class Number>
  struct Desk {
    const TreeSum& tree;
    std::vector<const Number*> terms;  // those of other domains: from where a stretch begins on
    std::vector<Number> sums;
    std::vector<Number> joined;
  };

  // `nodes`: of the partial sums of the domain's ranks, then of the other domains; `sums`: the domain's own.
  CommonSums(const ModelArena& arena, const std::vector<MicroBatchRun>& nodes,
             const std::vector<MicroBatchRun>& sums, int micro_batches);
  bool has(const torch::Tensor& sum) const;
  void cut_into_pieces();
  bool is_born(std::size_t parameter) const;

  template <class Number, bool kMean, class Use>
  void each_stretch(Slice range, std::int64_t length, const Terms& of, const Use& use) const {
    in_parallel(0, (range.count() + length - 1) / length, 1, [&](std::int64_t from, std::int64_t to) {
      Desk<Number> desk{of.tree, std::vector<const Number*>(sums_.size()),
                        std::vector<Number>(static_cast<std::size_t>(all_.scratch_count())),
                        std::vector<Number>(static_cast<std::size_t>(length))};
      for (std::int64_t i = from; i < to; ++i) {
        const std::int64_t first = range.begin + i * length;
        desk.terms.resize(sums_.size());
        for (const torch::Tensor& other : of.others)
          desk.terms.push_back(other.const_data_ptr<Number>() + (first - range.begin));
        const std::int64_t count = std::min(length, range.end - first);
        use(first, count, added<Number, kMean>(first, count, desk));
      }
    });
  }

  // `count` values from `first` on, added up; on the desk, or where the only term has it.
  template <class Number, bool kMean>
  const Number* added(std::int64_t first, std::int64_t count, Desk<Number>& desk) const {
    auto piece = piece_of(first);
    if (first + count <= piece->end) return added_in<Number, kMean>(*piece, first, count, desk);
    for (std::int64_t at = first; at < first + count;) {
      const std::int64_t here = std::min(first + count, piece->end) - at;
      std::copy_n(added_in<Number, kMean>(*piece, at, here, desk), here, desk.joined.data() + (at - first));
      for (std::size_t i = sums_.size(); i < desk.terms.size(); ++i) desk.terms[i] += here;
      at = piece++->end;
    }
    return desk.joined.data();
  }

  template <class Number, bool kMean>
  const Number* added_in(const Piece& piece, std::int64_t first, std::int64_t count,
                         Desk<Number>& desk) const {
    for (std::size_t node = 0; node < sums_.size(); ++node)
      desk.terms[node] = place<Number>(node, piece, first);
    return kMean ? desk.tree.mean(desk.terms, count, desk.sums.data())
                 : desk.tree.sum(desk.terms, count, desk.sums.data());
  }

  std::vector<Piece>::const_iterator piece_of(std::int64_t first) const {
    return std::ranges::upper_bound(pieces_, first, {}, &Piece::end);
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
