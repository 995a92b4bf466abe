// SPDX-License-Identifier: Apache-2.0
#include "parallel/canonical_tree.h"

#include <bit>

#include "lockstep/base/error.h"

namespace lockstep {

LeafRun left_child(LeafRun node) {
  check(node.count >= 2, "only an inner node has children");
  return {node.first, static_cast<int>(std::bit_floor(static_cast<unsigned>(node.count - 1)))};
}

LeafRun right_child(LeafRun node) {
  const LeafRun left = left_child(node);
  return {left.end(), node.count - left.count};
}

bool is_node(LeafRun run, int leaves) {
  LeafRun node{0, leaves};
  while (node.count > run.count) {
    const LeafRun left = left_child(node);
    node = run.first < left.end() ? left : right_child(node);
  }
  return node == run;
}

std::vector<LeafRun> complete_subtrees(LeafRun run, int leaves) {
  std::vector<LeafRun> stack;
  for (int leaf = run.first; leaf < run.end(); ++leaf) {
    stack.push_back({leaf, 1});
    while (stack.size() >= 2) {
      const LeafRun left = stack[stack.size() - 2];
      const LeafRun merged{left.first, left.count + stack.back().count};
      if (!is_node(merged, leaves)) break;
      stack.pop_back();
      stack.back() = merged;
    }
  }
  return stack;
}

}  // namespace lockstep
