// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/types.h>

#include <memory>
#include <string>
#include <vector>

#include "optim/options.h"

namespace lockstep {

// One kind of optimizer state under PyTorch's name, laid out like the parameters it belongs to: what the
// checkpoint stores.
struct Slot {
  std::string name;    // exp_avg, exp_avg_sq or momentum_buffer
  torch::Tensor flat;  // the live tensor, not a copy
};

// sgd, adam or adamw over one flat tensor, with ATen's fused kernels: the same numbers as torch.optim over
// its views. Every update is a pure function of parameters, gradients, slots, steps_done and lr, so what is
// restored goes on bit for bit. The tensors may be padded with zeros, which stay zeros. Local; not
// thread-safe; on a device the kernels run on the current stream.
class FlatOptimizer {
 public:
  // `parameters`: 1-D, contiguous, float32 or float64; the optimizer shares its memory and updates it in
  // place. Slots start as zeros. Throws Fault (78) for options that are out of range or have no effect on
  // this type.
  static std::unique_ptr<FlatOptimizer> make(const OptimOptions& options, const torch::Tensor& parameters);
  virtual ~FlatOptimizer() = default;

  // One update. `gradients` must match the parameters in size, dtype and device; they are only read.
  void update(const torch::Tensor& gradients, double lr);

  // In a fixed order; empty for sgd without momentum.
  virtual std::vector<Slot> slots() const = 0;

  // Updates so far: torch.optim's `step`. With the slots it is the whole state.
  double steps_done() const { return steps_done_; }
  void set_steps_done(double steps) { steps_done_ = steps; }

 protected:
  FlatOptimizer(const OptimOptions& options, const torch::Tensor& parameters);

  // Called with steps_done() already counting this update.
  virtual void apply(const torch::Tensor& gradients, double lr) = 0;

  OptimOptions options_;
  torch::Tensor parameters_;

 private:
  double steps_done_ = 0;
};

}  // namespace lockstep
