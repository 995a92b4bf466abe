// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <map>
#include <string>

#include "lockstep/models/batch.h"
#include "lockstep/models/options.h"
#include "lockstep/models/target_notes.h"

namespace lockstep {

// Sums over the samples of one evaluated chunk: what adds up over chunks and ranks. value = sum / count.
struct MetricSum {
  double sum = 0;
  double count = 0;
};
using MetricSums = std::map<std::string, MetricSum>;

// A trainable model: a torch::nn::Module with forward(), and, if it wants, its own loss and metrics. It holds
// no parallel code and is the same on all ranks. What a micro-batch gives is a function of its samples, the
// parameters, the buffers and LibTorch's default generator (which Lockstep keys by step and micro-batch):
// state lives in registered buffers, since a plain member is on one rank alone and in no checkpoint. Once a
// run Lockstep looks whether that is so (train.check_model). Each module keeps the mode its owner gave it in
// the constructor or in train(), through evaluations and restarts.
class Model : public torch::nn::Module {
 public:
  // A model overrides one of these two. [N, …] to outputs [N, …]; the default throws Fault (78).
  virtual torch::Tensor forward(torch::Tensor input);
  // The fields of N samples to outputs [N, …]. The default gives forward() the one field beside the target,
  // and throws Fault (78), naming them, where there are several.
  virtual torch::Tensor forward(const Batch& batch);

  // Mean over the N samples, 0-dim, differentiable. Default by `kind`: cross-entropy over the last dimension
  // of outputs against integer targets, or mean squared error; kAuto is mse for floating targets,
  // cross-entropy otherwise (torch.nn.functional's). The default throws Fault (78), naming the sample, for a
  // class that is neither one of the model's outputs nor ignore_label().
  virtual torch::Tensor loss(const torch::Tensor& output, const torch::Tensor& target, LossKind kind);

  // The same of a whole batch, for a loss that looks at other fields too. The default is loss() of the
  // target; it throws Fault (78) where the target varies in length and no data.ignore_label keeps its padding
  // out.
  virtual torch::Tensor loss(const torch::Tensor& output, const Batch& batch, LossKind kind);

  // Called in eval mode under inference mode, per chunk. Must contain "loss". Default: loss, then accuracy
  // (cross-entropy) or mse and mae (mse). Counts are elements of the target.
  virtual MetricSums metrics(const torch::Tensor& output, const torch::Tensor& target, LossKind kind);
  // Likewise of a whole batch. The default is metrics() of the target.
  virtual MetricSums metrics(const torch::Tensor& output, const Batch& batch, LossKind kind);

  // data.ignore_label: targets of this class count in no loss and no metric. A loss() or metrics() of one's
  // own must ask for it and leave them out: the loss is then the mean over the others, 0 where there are
  // none. A config that gives a label which nobody asked for is refused.
  std::optional<std::int64_t> ignore_label() const;

  // train.recompute: blocks. Its blocks keep no activations from now on, and backward computes them again
  // (recomputed()). The default has none and returns false.
  virtual bool recompute_blocks() { return false; }

  // For whoever calls loss() and metrics(), before each call: what is known of the targets.
  void note_targets(TargetNotes notes);
  // Whether ignore_label() was asked since then.
  bool asked_for_ignore_label() const { return asked_; }

 private:
  TargetNotes notes_;
  mutable bool asked_ = false;
};

}  // namespace lockstep
