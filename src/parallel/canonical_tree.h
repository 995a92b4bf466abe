// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace lockstep {

// Note [fixed-order sum]: the gradient of a step is the sum over its V micro-batches along one binary tree
// that is fixed for the life of the run: leaves 0..V-1 in order; a node of n leaves has on its left the
// largest power of two below n, on its right the rest. Floating-point sums depend on their order; this order
// depends on V alone, so the bits of a step do not depend on how many ranks computed it. A rank owns a
// contiguous run of leaves, which is a few complete subtrees; only sums of complete subtrees travel.

// The leaves [first, first + count).
struct LeafRun {
  int first = 0;
  int count = 0;

  int end() const { return first + count; }
  bool operator==(const LeafRun&) const = default;
};

// The left child of an inner node (count >= 2); the right one is what is left over.
LeafRun left_child(LeafRun node);
LeafRun right_child(LeafRun node);

// Is `run` a node of the tree over `leaves` leaves?
bool is_node(LeafRun run, int leaves);

// The largest nodes that together make up `run`, in leaf order: at most 2 log2(leaves) of them.
std::vector<LeafRun> complete_subtrees(LeafRun run, int leaves);

}  // namespace lockstep
