// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "lockstep/base/error.h"
#include "parallel/gradient_reducer.h"
#include "parallel/ownership.h"
#include "tensors/tensor_span.h"

namespace lockstep {
namespace {

constexpr std::int64_t kSliceAlign = 64;  // elements: whole cache lines for every dtype

class ExactReducer : public GradientReducer {
 public:
  ExactReducer(World& world, const ReducePlan& plan)
      : world_(world), plan_(plan), ranks_(world.size().value) {
    const std::int64_t even = (plan.contribution_count + ranks_ - 1) / ranks_;
    slice_ = (even + kSliceAlign - 1) / kSliceAlign * kSliceAlign;
    if (ranks_ == 1) return;
    result_ = torch::zeros({slice_ * ranks_}, plan.options);
    for (int rank = 0; rank < ranks_; ++rank) {
      const MicroBatchRun run = run_of(Rank(rank), world.size(), plan.micro_batches);
      for (const MicroBatchRun node : complete_subtrees(run, plan.micro_batches)) {
        const bool mine = rank == world.rank().value;
        pieces_.push_back({rank, {node, mine ? torch::Tensor() : torch::empty({my_length()}, plan.options)}});
      }
    }
  }

  torch::Tensor mean_over_micro_batches(const std::vector<PartialSum>& sums) override {
    torch::NoGradGuard no_grad;
    if (ranks_ == 1) {
      check(sums.size() == 1, "one rank owns the whole tree");
      return sums[0].flat.div_(plan_.micro_batches);
    }
    exchange_slices(sums);
    const torch::Tensor total = sum_of({0, plan_.micro_batches});
    const torch::Tensor mine = result_.narrow(0, begin_of(world_.rank().value), slice_);
    mine.narrow(0, 0, my_length()).copy_(total.div_(plan_.micro_batches));
    world_.device().all_gather(span_of(mine), span_of(result_));
    return result_.narrow(0, 0, plan_.contribution_count);
  }

 private:
  struct Piece {
    int rank;
    PartialSum sum;  // my slice of that partial sum
  };

  std::int64_t begin_of(int rank) const { return rank * slice_; }
  std::int64_t length_of(int rank) const {
    return std::clamp<std::int64_t>(plan_.contribution_count - begin_of(rank), 0, slice_);
  }
  std::int64_t my_length() const { return length_of(world_.rank().value); }

  void exchange_slices(const std::vector<PartialSum>& sums) {
    const int me = world_.rank().value;
    std::vector<Outgoing> sends;
    for (int rank = 0; rank < ranks_; ++rank) {
      if (rank == me || length_of(rank) == 0) continue;
      for (const PartialSum& sum : sums)
        sends.push_back({span_of(sum.flat.narrow(0, begin_of(rank), length_of(rank))), Rank(rank)});
    }
    std::vector<Incoming> receives;
    std::size_t own = 0;
    for (Piece& piece : pieces_) {
      if (piece.rank == me) {
        check(own < sums.size() && sums[own].node == piece.sum.node,
              "partial sums are those of the rank's run");
        // An empty slice begins nowhere in particular.
        piece.sum.flat = sums[own++].flat.narrow(0, my_length() == 0 ? 0 : begin_of(me), my_length());
      } else if (my_length() > 0) {
        receives.push_back({span_of(piece.sum.flat), Rank(piece.rank)});
      }
    }
    check(own == sums.size(), "partial sums are those of the rank's run");
    world_.device().exchange(sends, receives);
  }

  // Adds the pieces of `node` along the tree into the leftmost of them.
  torch::Tensor sum_of(MicroBatchRun node) {
    for (const Piece& piece : pieces_)
      if (piece.sum.node == node) return piece.sum.flat;
    const torch::Tensor left = sum_of(left_child(node));
    return left.add_(sum_of(right_child(node)));
  }

  World& world_;
  ReducePlan plan_;
  int ranks_;
  std::int64_t slice_ = 0;
  std::vector<Piece> pieces_;
  torch::Tensor result_;
};

}  // namespace

std::unique_ptr<GradientReducer> make_exact_reducer(World& world, const ReducePlan& plan) {
  return std::make_unique<ExactReducer>(world, plan);
}

}  // namespace lockstep
