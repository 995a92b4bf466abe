// SPDX-License-Identifier: Apache-2.0
#include "config/rows.h"

namespace lockstep {

std::vector<Row> train_rows() {
  const auto t = &RunConfig::train;
  using T = TrainOptions;
  return {
      row("train.steps", t, &T::steps)
          .in(between(1, 1e15), "steps")
          .zero_is_unset()
          .such_as("200")
          .may_change()
          .says("Optimizer updates in all. Exactly one of train.steps and train.epochs is given."),
      row("train.epochs", t, &T::epochs)
          .in(between(1, 1e12), "epochs")
          .zero_is_unset()
          .may_change()
          .says("Passes over the training data in all."),
      row("train.global_batch", t, &T::global_batch)
          .in(between(1, 1e9), "samples")
          .says("Samples of one step, over all ranks."),
      // Fixed with the global batch: they decide the tree in which gradients are summed.
      row("train.micro_batch", t, &T::micro_batch)
          .in(between(1, 1e9), "samples")
          .says("Samples of one forward and backward; divides train.global_batch. At most that many ranks."),
      row("train.grad_clip", t, &T::grad_clip)
          .in(at_least(0))
          .may_change()
          .says("Largest global norm of a gradient; 0: no clipping."),
      row("train.eval_every", t, &T::eval_every)
          .in(between(0, 1e15), "steps")
          .may_change()
          .says("Evaluate every so many steps; 0: only the last. Needs validation data."),
      row("train.threads", t, &T::threads)
          .in(between(1, 1024), "threads")
          .may_change()
          .says("Threads a rank computes with; bits of convolutions depend on it."),
      row("train.device", t, &T::device)
          .one_of({"auto", "cpu", "cuda"})
          .may_change()
          .says("auto: cuda where there is a GPU for every rank of the machine."),
      row("train.dtype", t, &T::dtype)
          .one_of({"float32", "float64"})
          .says("Type of weights, gradients and inputs."),
      row("train.precision", t, &T::precision)
          .one_of({"full", "bf16", "fp16"})
          .says("What forward computes in: all in train.dtype, or matrix products and convolutions in fewer "
                "bits, as torch.autocast does; weights, gradients and optimizer state stay float32. fp16 "
                "scales the loss. Evaluation, eval and predict too."),
      row("train.recompute", t, &T::recompute)
          .one_of({"none", "blocks"})
          .only("model.type", {"gpt", kRegistered})
          .may_change()
          .says("blocks: keep no activations of the model's blocks and compute them again in backward; less "
                "memory, a third more time, the same gradients."),
      row("train.cuda_graph", t, &T::graph, &GraphOptions::cuda)
          .may_change()
          .says("Record forward and backward of a micro-batch once as a CUDA graph, tried in two steps "
                "against the model's own, and replay it: the same bits with less work for the host. For "
                "models that wait for nothing of the GPU."),
      row("train.loss", t, &T::loss)
          .one_of({"auto", "cross_entropy", "mse"})
          .says("auto: mse for floating targets, else cross_entropy; a model may bring its own."),
      row("train.metrics", t, &T::metrics)
          .may_change()
          .says("Ask the model's metrics() of training batches too, where metrics.jsonl keeps a line: "
                "train_accuracy, …; costs these steps its time."),
      row("train.check_model", t, &T::check_model)
          .may_change()
          .says("Once a run compute a micro-batch of its first step again: a model whose results depend on "
                "more than parameters, buffers, samples and the generator ends with 78."),
  };
}

std::vector<Row> optim_rows() {
  const auto o = &RunConfig::optim;
  using O = OptimOptions;
  return {
      row("optim.type", o, &O::type).one_of({"sgd", "adam", "adamw"}).says("The optimizer."),
      row("optim.lr", o, &O::lr)
          .in(at_least(0))
          .may_change()
          .says("Learning rate, the highest of the schedule."),
      row("optim.betas", o, &O::betas)
          .in(fraction())
          .counts(2, 2)
          .only("optim.type", {"adam", "adamw"})
          .may_change()
          .says("Decay of the running mean of gradients and of their squares."),
      row("optim.eps", o, &O::eps)
          .in(above(0))
          .only("optim.type", {"adam", "adamw"})
          .may_change()
          .says("Added to the denominator."),
      // torch.optim's defaults, which differ by type.
      row("optim.weight_decay", o, &O::weight_decay)
          .in(at_least(0))
          .with_default("sgd", "0")
          .with_default("adam", "0")
          .may_change()
          .says("Decoupled for adamw, added to the gradient for adam and sgd."),
      row("optim.momentum", o, &O::momentum)
          .in(fraction())
          .only("optim.type", {"sgd"})
          .may_change()
          .says("Share of the last update that is kept."),
      row("optim.nesterov", o, &O::nesterov)
          .only("optim.type", {"sgd"})
          .may_change()
          .says("Nesterov's momentum; needs optim.momentum > 0."),
      row("optim.sharded", o, &O::sharded)
          .may_change()
          .says(
              "Each rank, or each host whose ranks have one state anyway, has the optimizer's state of those "
              "parameters alone that it updates (ZeRO stage 1), and gets the others' new values. The bits "
              "are the same. By messages from rank to rank nothing leaves during backward with it."),
      row("optim.params", o, &O::params)
          .only("optim.type", {kRegistered})
          .may_change()
          .says("What a registered optimizer is given."),
      row("optim.groups", o, &O::groups)
          .may_change()
          .says(
              "Parameters with numbers of their own: `match`, a list of globs of their names, and lr (it "
              "follows the schedule in proportion to optim.lr), weight_decay, betas, eps, or `frozen: true`, "
              "as in [{match: [\"*.bias\", \"*.ln_*\"], weight_decay: 0}]."),
  };
}

std::vector<Row> schedule_rows() {
  const auto s = &RunConfig::schedule;
  using S = ScheduleOptions;
  return {
      row("schedule.type", s, &S::type)
          .one_of({"constant", "linear", "cosine", "step"})
          .may_change()
          .says("How the learning rate goes on after the warm-up."),
      row("schedule.warmup_steps", s, &S::warmup_steps)
          .in(between(0, 1e15), "steps")
          .may_change()
          .says("Steps over which the learning rate rises to optim.lr, in a line."),
      row("schedule.params", s, &S::params)
          .only("schedule.type", {kRegistered})
          .may_change()
          .says("What a registered schedule is given."),
      row("schedule.final_lr", s, &S::final_lr)
          .in(at_least(0))
          .only("schedule.type", {"linear", "cosine"})
          .may_change()
          .says("Learning rate at the last step."),
      row("schedule.step_size", s, &S::step_size)
          .in(between(1, 1e15), "steps")
          .zero_is_unset()
          .such_as("100")
          .only("schedule.type", {"step"})
          .may_change()
          .says("Every so many steps the learning rate is multiplied by schedule.gamma."),
      row("schedule.gamma", s, &S::gamma)
          .in(between(0, 1))
          .only("schedule.type", {"step"})
          .may_change()
          .says("What it is multiplied by."),
  };
}

}  // namespace lockstep
