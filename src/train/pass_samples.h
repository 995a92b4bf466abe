// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "data/micro_batches.h"
#include "train/device.h"
#include "train/target_reader.h"

namespace lockstep {

// This rank's micro-batches of a step as its passes read them: each where it lies, or all, one after the
// other, in one place that stays (Note [graphed pass]). Local.
class PassSamples {
 public:
  // Those of a step, which outlive end(). `keeps_first`: a copy of the first, for a pass that is computed
  // once more after a model has written to its inputs.
  void begin(const MicroBatches& batches, const ComputeDevice& compute, bool keeps_first);
  void end();

  // The `index`-th is the one that is read next, where the first ever was; false, and it is read where it
  // lies, when it is of other shapes.
  bool fix(std::size_t index);
  // The next is read where it lies.
  void loosen() { is_fixed_ = false; }

  // A model may write to it.
  ReadBatch read(std::size_t index) const;

 private:
  std::vector<ReadBatch> lie_;
  std::unique_ptr<ReadBatch> first_;
  Batch::Tensors fixed_;
  bool is_fixed_ = false;
};

}  // namespace lockstep
