// SPDX-License-Identifier: Apache-2.0
#include "parallel/canonical_tree.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "lockstep/base/error.h"

namespace lockstep {

MicroBatchRun left_child(MicroBatchRun node) {
  check(node.count >= 2, "only an inner node has children");
  return {node.first, static_cast<int>(std::bit_floor(static_cast<unsigned>(node.count - 1)))};
}

MicroBatchRun right_child(MicroBatchRun node) {
  const MicroBatchRun left = left_child(node);
  return {left.end(), node.count - left.count};
}

bool is_node(MicroBatchRun run, int micro_batches) {
  MicroBatchRun node{0, micro_batches};
  while (node.count > run.count) {
    const MicroBatchRun left = left_child(node);
    node = run.first < left.end() ? left : right_child(node);
  }
  return node == run;
}

std::vector<MicroBatchRun> joined(std::vector<MicroBatchRun> nodes, int micro_batches) {
  std::ranges::sort(nodes, {}, &MicroBatchRun::first);
  std::vector<MicroBatchRun> stack;
  for (const MicroBatchRun& node : nodes) {
    stack.push_back(node);
    while (stack.size() >= 2) {
      const MicroBatchRun left = stack[stack.size() - 2];
      const MicroBatchRun merged{left.first, left.count + stack.back().count};
      if (left.end() != stack.back().first || !is_node(merged, micro_batches)) break;
      stack.pop_back();
      stack.back() = merged;
    }
  }
  return stack;
}

std::vector<MicroBatchRun> complete_subtrees(MicroBatchRun run, int micro_batches) {
  std::vector<MicroBatchRun> leaves;
  for (int index = run.first; index < run.end(); ++index) leaves.push_back({index, 1});
  return joined(std::move(leaves), micro_batches);
}

}  // namespace lockstep
