// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "parallel/arena.h"
#include "parallel/contribution_stack.h"
#include "parallel/device_graph.h"

namespace lockstep {

class MicroBatchBits;

// Note [graphed pass]: forward and backward of a micro-batch as one graph of the device, which its host
// enqueues as a whole instead of kernel by kernel. It reads its samples where it has read them while it was
// recorded, so they are copied there first (fill()), and leaves its contribution in a sum of its own, from
// where it is moved or added to the rank's: the same additions, and so the same bits. Buffers are put back
// and the generator is seeded before each, as ever (Note [equal start]). Exchange and update stay outside.
//
// What the host does in a pass is done once and never again: a branch that is taken, a number that is read
// into a constant. A model that does that in the middle of its work gives wrong numbers without a word. So
// the graph is tried in two steps before it is trusted: each micro-batch is computed both ways, and all bits
// are compared.
//
// Local. One object a model; used by MicroBatchPass.
class GraphedPass {
 public:
  // Puts the samples of a micro-batch where every pass reads them; false where they are of other shapes than
  // those of the first, or the pass has more to do than what was recorded: it is then computed without.
  using Fill = std::function<bool(int micro_batch)>;

  // The arena outlives it.
  GraphedPass(const ModelArena& arena, RecordGraph record, Fill fill);

  bool fill(int micro_batch) const { return fill_(micro_batch); }
  bool is_recorded() const { return graph_ != nullptr; }
  bool is_trusted() const { return steps_tried_ == kStepsTried; }

  // What the pass leaves; `work` writes there too.
  PartialSum& sum() { return sum_; }
  void record(const std::function<void()>& work) { graph_ = record_(work); }
  // After fill(), with buffers and generator as the pass shall find them.
  void replay() const { graph_->replay(); }

  // What came of replay() beside `own`, the same micro-batch without the graph. Throws Fault (78) where a bit
  // differs; `step` is what messages call it.
  void compare(const MicroBatchBits& own, std::int64_t step, int micro_batch) const;
  // All micro-batches of a step that the graph can compute were compared.
  void count_tried_step() { ++steps_tried_; }

 private:
  // The samples of one step alone may all take the same way.
  static constexpr int kStepsTried = 2;

  const ModelArena& arena_;
  RecordGraph record_;
  Fill fill_;
  PartialSum sum_;
  std::unique_ptr<DeviceGraph> graph_;
  int steps_tried_ = 0;
};

}  // namespace lockstep
