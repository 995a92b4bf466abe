// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <functional>
#include <memory>
#include <vector>

#include "parallel/arena.h"
#include "parallel/contribution_stack.h"

namespace lockstep {

// Brings what `.grad` holds after the whole of forward and backward into a flat contribution.
//
// Note [gradients]: most parameters are accumulated once in a backward pass. So a post-accumulate hook
// (torch/csrc/autograd/function_hook.h) moves each gradient out the moment autograd has it, while it is still
// in cache, and drops .grad: no pass is spent on zeroing. But the loss of a model that recomputes its
// activations, or calls backward() itself, comes to a parameter more often, and only .grad knows the sum in
// PyTorch's order. Where a gradient was moved and .grad has got something again, the contribution is of no
// use: that parameter is *late* from then on, its .grad is left alone until the pass has ended, and the
// micro-batches are computed once more. What happens to .grad before watch() is none of the hook's business,
// and a hook that is gone costs time only: settle() moves whatever .grad still holds.
//
// Note [born gradients]: a large gradient need not be moved at all: where the exchange can read it in the
// memory that autograd took for it, the hook takes over the tensor itself. That is right only for one that is
// laid out as its parameter and that nobody else holds: whether somebody does is seen once backward has
// ended (autograd itself still holds it when it calls the hook), and then it is copied after all. It is let
// go at the beginning of the next step, when all ranks have read it.
//
// One object a model. Local; settle() and what comes before it on one thread, hooks on autograd's.
class GradientHooks {
 public:
  // A post-accumulate hook that a parameter has already is called before ours, and put back at the end.
  explicit GradientHooks(const ModelArena& arena);
  ~GradientHooks();

  // May a gradient stay where autograd has made it (Note [born gradients])? Null: none may.
  using Adopts = std::function<bool(const torch::Tensor& gradient)>;
  void adopt(Adopts adopts);

  // Who wants to know the moment a gradient was moved, by its place in trainable()? On autograd's threads, in
  // each pass between watch() and settle() at most once each; of what settle() moves nothing is said.
  using Moved = std::function<void(std::size_t index)>;
  void tell(Moved moved);

  // Before forward: gradients will go to `contribution`, added to what is there or put in its place, and
  // .grad is empty, as zero_grad() leaves it. It stays there until the pass has ended.
  void aim(PartialSum& contribution, bool accumulate);
  // Between forward and the backward pass over the loss.
  void watch();

  enum class Outcome {
    kComplete,  // the contribution has all gradients
    kSpoiled,   // a parameter was late: compute all micro-batches that the contribution holds again
  };
  // After backward: moves what .grad still holds. A parameter that nothing reached (.grad is empty, as
  // torch.optim sees it) has gradient zero and is counted as not reached. Leaves .grad empty. Throws Fault
  // (78) naming the parameter for a sparse gradient or one of another shape, for a parameter that was changed
  // since aim(), or whose requires_grad or memory was.
  [[nodiscard]] Outcome settle();
  // After settle(): did the micro-batch reach any parameter?
  bool reached_any() const;

 private:
  void require_unchanged_parameters() const;

  struct Target;
  const ModelArena& arena_;
  std::shared_ptr<Target> target_;
};

}  // namespace lockstep
