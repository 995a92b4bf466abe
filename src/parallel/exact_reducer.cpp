// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "lockstep/base/error.h"
#include "parallel/gradient_reducer.h"
#include "parallel/ownership.h"
#include "parallel/rank_cut.h"
#include "tensors/tensor_span.h"

namespace lockstep {
namespace {

class ExactReducer : public GradientReducer {
 public:
  ExactReducer(World& world, const ReducePlan& plan)
      : world_(world), plan_(plan), ranks_(world.size().value) {
    if (ranks_ == 1) return;
    mean_ = torch::zeros({plan.contribution_count}, plan.options);
    registered_ = world.device().register_memory(span_of(mean_));
    for (int rank = 0; rank < ranks_; ++rank) {
      for (const MicroBatchRun node : nodes_of(world, Rank(rank), plan.micro_batches))
        pieces_.push_back({rank, node, {}, {}});
    }
  }

  void scatter(const std::vector<PartialSum>& sums, std::span<const Slice> ranges) override {
    const torch::NoGradGuard no_grad;
    if (ranks_ == 1) return reduce_alone(sums, ranges);
    const std::vector<RankCut> cuts = cuts_of(ranges);
    const std::vector<Slice> mine = summed_by(me(), cuts);
    exchange_terms(sums, cuts, mine);
    for (std::size_t i = 0; i < mine.size(); ++i) {
      if (mine[i].count() == 0) continue;
      const Term total = sum_of({0, plan_.micro_batches}, i);
      at(mean_, mine[i]).copy_(total.values.div_(plan_.micro_batches));
    }
  }

  void gather(std::span<const Slice> ranges) override {
    if (ranks_ == 1) return;
    for (const RankCut& cut : cuts_of(ranges))
      if (cut.part > 0)
        world_.device().all_gather(span_of(at(mean_, cut.part_of(me()))), span_of(at(mean_, cut.parts())));
  }

  const torch::Tensor& mean() const override { return mean_; }

 private:
  // A rank's partial sum: of each slice that this rank adds, its values.
  struct Piece {
    int rank;
    MicroBatchRun node;
    torch::Tensor room;  // for what another rank sends
    std::vector<torch::Tensor> values;
  };
  struct Term {
    torch::Tensor values;
    bool own;  // a partial sum of this rank, which is only read
  };

  int me() const { return world_.rank().value; }
  static torch::Tensor at(const torch::Tensor& flat, Slice slice) {
    return flat.narrow(0, slice.begin, slice.count());
  }

  std::vector<RankCut> cuts_of(std::span<const Slice> ranges) const {
    std::vector<RankCut> cuts;
    for (const Slice& range : ranges) cuts.emplace_back(range, ranks_);
    return cuts;
  }

  void reduce_alone(const std::vector<PartialSum>& sums, std::span<const Slice> ranges) {
    check(sums.size() == 1, "one rank owns the whole tree");
    mean_ = sums[0].flat;
    for (const Slice& range : ranges) at(mean_, range).div_(plan_.micro_batches);
  }

  // Parts, and what all add.
  std::vector<Slice> summed_by(int rank, const std::vector<RankCut>& cuts) const {
    std::vector<Slice> slices;
    for (const RankCut& cut : cuts) {
      slices.push_back(cut.part_of(rank));
      slices.push_back(cut.rest());
    }
    return slices;
  }

  void exchange_terms(const std::vector<PartialSum>& sums, const std::vector<RankCut>& cuts,
                      const std::vector<Slice>& mine) {
    std::vector<Outgoing> sends;
    for (int rank = 0; rank < ranks_; ++rank) {
      if (rank == me()) continue;
      for (const PartialSum& sum : sums)
        for (const Slice& slice : summed_by(rank, cuts))
          sends.push_back({span_of(at(sum.flat, slice)), Rank(rank)});
    }
    std::vector<Incoming> receives;
    std::size_t own = 0;
    for (Piece& piece : pieces_) {
      piece.values.clear();
      if (piece.rank == me()) {
        check(own < sums.size() && sums[own].node == piece.node, "partial sums are those of the rank's run");
        for (const Slice& slice : mine) piece.values.push_back(at(sums[own].flat, slice));
        ++own;
      } else {
        make_room(piece, mine);
        for (const torch::Tensor& values : piece.values)
          receives.push_back({span_of(values), Rank(piece.rank)});
      }
    }
    check(own == sums.size(), "partial sums are those of the rank's run");
    world_.device().exchange(sends, receives);
  }

  void make_room(Piece& piece, const std::vector<Slice>& slices) const {
    const auto aligned = [](std::int64_t count) {
      return (count + RankCut::kAlign - 1) / RankCut::kAlign * RankCut::kAlign;
    };
    std::int64_t count = 0;
    for (const Slice& slice : slices) count += aligned(slice.count());
    if (!piece.room.defined() || piece.room.numel() < count)
      piece.room = torch::empty({count}, plan_.options);
    std::int64_t from = 0;
    for (const Slice& slice : slices) {
      piece.values.push_back(piece.room.narrow(0, from, slice.count()));
      from += aligned(slice.count());
    }
  }

  // The `slice`-th of mine, added along the tree. Of two siblings one at least is not this rank's partial
  // sum, or they would have been one; the sum lies there.
  Term sum_of(MicroBatchRun node, std::size_t slice) const {
    for (const Piece& piece : pieces_)
      if (piece.node == node) return {piece.values[slice], piece.rank == me()};
    const Term left = sum_of(left_child(node), slice);
    const Term right = sum_of(right_child(node), slice);
    check(!left.own || !right.own, "siblings of one rank are one partial sum");
    torch::Tensor sum = left.own ? right.values : left.values;
    torch::add_out(sum, left.values, right.values);
    return {sum, false};
  }

  World& world_;
  ReducePlan plan_;
  int ranks_;
  std::vector<Piece> pieces_;
  torch::Tensor mean_;
  std::shared_ptr<const void> registered_;
};

}  // namespace

std::unique_ptr<GradientReducer> make_exact_reducer(World& world, const ReducePlan& plan) {
  return std::make_unique<ExactReducer>(world, plan);
}

}  // namespace lockstep
