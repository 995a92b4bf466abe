// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <vector>

#include "parallel/arena.h"
#include "parallel/canonical_tree.h"
#include "tensors/slice.h"

namespace lockstep {

// The sum of the contributions of one complete subtree of micro-batches: one micro-batch's at first.
struct PartialSum {
  MicroBatchRun node;
  torch::Tensor flat;
  // Note [born gradients]: of the arena's trainable parameters, those whose gradient lies not in `flat` but
  // where autograd has made it; undefined for the others. Empty: of none.
  std::vector<torch::Tensor> born = {};

  bool is_born(std::size_t index) const { return index < born.size() && born[index].defined(); }
  // Of the index-th trainable parameter, wherever it is.
  torch::Tensor gradient(const ModelArena& arena, std::size_t index) const;
  // Adds all of `other`, whose gradients are let go.
  void add(const ModelArena& arena, PartialSum& other);
};

// The partial sums of one rank's run of micro-batches during a step: a stack of at most log2(V) + 1
// contributions, merged as soon as two of them are the children of one node (Note [fixed-order sum]).
//
// Local. For each micro-batch in order: open(index), then write into target() — add to it where accumulates()
// — then close().
class ContributionStack {
 public:
  ContributionStack(const ModelArena& arena, MicroBatchRun run, int micro_batches);
  // The most contributions that a run needs at once.
  static std::size_t depth_for(MicroBatchRun run, int micro_batches);

  // Before the first step: they lie there, in the order of the stack; depth_for() of them.
  void use(const std::vector<torch::Tensor>& contributions);

  // Starts a step: nothing summed yet. Memory is kept, that of born gradients apart.
  void clear();

  void open(int index);
  // The left sibling's sum when it merges with it at once (adding there saves a pass over memory), else a
  // slot of its own.
  PartialSum& target() { return slots_[depth_ - 1]; }
  bool accumulates() const { return accumulates_; }
  void close();

  // While the last micro-batch is open, for values that nobody writes to any more: somebody else adds
  // `slice` of each pair's right tensor to its left one, in order, and close() leaves these values out. No
  // gradient may be born elsewhere.
  struct Merge {
    torch::Tensor left;
    torch::Tensor right;
  };
  std::vector<Merge> hand_over(Slice slice);

  // After the last close(): the sums of complete_subtrees(run), in order. Valid until the next clear();
  // callers may write to them.
  std::vector<PartialSum> sums() const;
  // Where sums() will lie at the end of a step, known from the end of the first one on.
  std::vector<PartialSum> sums_to_be() const;

 private:
  void push(MicroBatchRun node);
  bool merges(MicroBatchRun left, MicroBatchRun right) const;
  void merge(PartialSum& left, PartialSum& right);

  const ModelArena& arena_;
  MicroBatchRun run_;
  int micro_batches_;
  std::vector<PartialSum> slots_;
  std::size_t depth_ = 0;
  bool accumulates_ = false;
  std::vector<Slice> handed_over_;
};

}  // namespace lockstep
