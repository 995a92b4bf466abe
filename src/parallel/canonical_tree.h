// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace lockstep {

// Note [fixed-order sum]: the gradient of a step is the sum over its V micro-batches along one binary tree
// that is fixed for the life of the run: micro-batches 0..V-1 in order; a node of n of them has on its left
// the largest power of two below n, on its right the rest. Floating-point sums depend on their order; this
// order depends on V alone, so the bits of a step do not depend on how many ranks computed it. A rank owns a
// contiguous run of them, which is a few complete subtrees; only sums of complete subtrees travel.

// The micro-batches [first, first + count).
struct MicroBatchRun {
  int first = 0;
  int count = 0;

  int end() const { return first + count; }
  bool operator==(const MicroBatchRun&) const = default;
};

// The left child of an inner node (count >= 2); the right one is what is left over.
MicroBatchRun left_child(MicroBatchRun node);
MicroBatchRun right_child(MicroBatchRun node);

// Is `run` a node of the tree over `micro_batches` of them?
bool is_node(MicroBatchRun run, int micro_batches);

// The largest nodes that together make up what `nodes` do, in order.
std::vector<MicroBatchRun> joined(std::vector<MicroBatchRun> nodes, int micro_batches);

// Those that together make up `run`, in order: at most 2 log2(micro_batches) of them.
std::vector<MicroBatchRun> complete_subtrees(MicroBatchRun run, int micro_batches);

}  // namespace lockstep
