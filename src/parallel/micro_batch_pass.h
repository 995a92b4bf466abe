// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "lockstep/base/units.h"
#include "parallel/arena.h"
#include "parallel/contribution_stack.h"
#include "parallel/other_gradients.h"

namespace lockstep {

class GradientExchange;
class GraphedPass;

struct PassOptions {
  MicroBatchRun mine;  // of this rank
  int micro_batches = 1;
  std::uint64_t seed = 0;
  // Leave .grad of other modules that a loss goes through as it was.
  bool spares_others = false;
  std::int64_t first_step = 1;  // what messages call it
  bool keeps_losses = false;    // for losses(): the model's own dtype is too coarse for their sum
};

// Forward and backward over this rank's micro-batches of a step.
//
// Note [equal start]: every micro-batch sees the state of the step's beginning and nothing of the
// micro-batches before it: buffers are put back first, the generator is keyed by (seed, step, micro-batch).
// So what a micro-batch contributes does not depend on which rank computed it, or after what, and it can be
// computed once more (Note [gradients]).
class MicroBatchPass {
 public:
  // The mean loss over the samples of micro-batch `micro_batch`: a scalar. Called again for the same one
  // where Note [gradients] or Note [model check] asks for it.
  using Loss = std::function<torch::Tensor(int micro_batch)>;

  // The arenas of one model, which outlive it.
  MicroBatchPass(std::vector<const ModelArena*> arenas, const PassOptions& options);
  ~MicroBatchPass();

  // Local, before the first run(): the partial sums of the n-th arena lie where `exchange` wants them, and
  // leave early where it lets them. Not called: in memory of their own, and they stay there.
  void use(const GradientExchange& exchange, std::size_t arena = 0);

  // Local, before the first run(), of a model of one arena whose gradients do not leave early: its passes are
  // recorded in the first step, tried, and replayed from then on (Note [graphed pass]). It outlives this.
  void use(GraphedPass& graph);

  // Local. The model's integer buffers are left as one micro-batch leaves them; throws Fault (70) when two
  // micro-batches disagree, and (78) for a loss that depends on no trainable parameter or a gradient that
  // cannot be summed (GradientHooks::settle). Where gradients leave early it has drained when it throws, so
  // that this rank can meet the others; that may take as long as their passes.
  void run(Step step, const Loss& loss);
  // Local, after run(): the partial sums of gradients, buffers and loss of the n-th arena; valid until the
  // next run().
  std::vector<PartialSum> sums(std::size_t arena = 0) const;

  // Local, after run(). [micro-batches] float64 on the CPU, 0 for those of other ranks; undefined without
  // PassOptions::keeps_losses.
  torch::Tensor losses() const;

  // Collective, after run(), where ranks meet before the exchange's reduce(): all gradients that leave early
  // have left.
  void drain();

  // Local, after run(): the buffers are what they were before it, for a step that makes no update.
  void undo() const;

  // The next run() checks the model at its end (Note [model check]); it throws Fault (78) for one that is not
  // a function of what a micro-batch may depend on.
  void check_next();

  // The micro-batch that is being computed, or was the last; and how many were since construction.
  int micro_batch() const { return micro_batch_; }
  std::int64_t computed() const { return computed_; }

 private:
  struct Lane;
  struct Check;

  void try_run(Step step, const Loss& loss);
  bool run_all(Step step, const Loss& loss);
  bool run_one(Step step, int micro_batch, const Loss& loss);
  bool compute_early(Step step, int micro_batch, const Loss& loss);
  bool compute(Step step, int micro_batch, const Loss& loss);
  bool forward_backward(Step step, int micro_batch, const Loss& loss);
  bool replay(Step step, int micro_batch);
  bool replay_graph(Step step, int micro_batch);
  void try_graph(Step step, const Loss& loss);
  void check_model(Step step, const Loss& loss);
  std::int64_t called(Step step) const { return step.value - 1 + options_.first_step; }

  PassOptions options_;
  std::vector<std::unique_ptr<Lane>> lanes_;  // one an arena
  OtherGradients::Tensors own_;
  torch::Tensor losses_;  // on the loss's device; undefined: not kept
  std::int64_t computed_ = 0;
  int micro_batch_ = 0;
  std::unique_ptr<Check> check_;  // of the model, at the end of the next run()
  GraphedPass* graph_ = nullptr;  // null: every pass is computed by its host
};

}  // namespace lockstep
