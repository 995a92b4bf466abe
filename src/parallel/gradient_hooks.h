// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "parallel/arena.h"

namespace lockstep {

// Moves each parameter's gradient into a flat contribution the moment autograd has it, while it is still in
// cache, and drops .grad: so no pass is spent on zeroing gradients. Installs one post-accumulate hook on each
// parameter (torch/csrc/autograd/function_hook.h), so a model may have one GradientHooks at a time.
class GradientHooks {
 public:
  explicit GradientHooks(const ModelArena& arena);
  ~GradientHooks();

  // Local. From here on gradients go to `contribution`: added to what is there, or put in its place.
  void aim(const torch::Tensor& contribution, bool accumulate);
  // Local. After backward: a parameter that took no part has gradient zero. Throws Bug when no hook fired at
  // all.
  void settle();

 private:
  struct Target;
  std::shared_ptr<Target> target_;
};

}  // namespace lockstep
