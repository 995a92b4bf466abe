// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <map>
#include <string>

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
  // [N, …] to outputs [N, …].
  virtual torch::Tensor forward(torch::Tensor input) = 0;

  // Mean over the N samples, 0-dim, differentiable. Default by `kind`: cross-entropy over the last dimension
  // of outputs against integer targets, or mean squared error; kAuto is mse for floating targets,
  // cross-entropy otherwise (torch.nn.functional's). The default throws Fault (78), naming the sample, for a
  // class that is neither one of the model's outputs nor ignore_label().
  virtual torch::Tensor loss(const torch::Tensor& output, const torch::Tensor& target, LossKind kind);

  // Called in eval mode under inference mode, per chunk. Must contain "loss". Default: loss, then accuracy
  // (cross-entropy) or mse and mae (mse). Counts are elements of the target.
  virtual MetricSums metrics(const torch::Tensor& output, const torch::Tensor& target, LossKind kind);

  // data.ignore_label: targets of this class count in no loss and no metric. A loss() or metrics() of one's
  // own must ask for it and leave them out: the loss is then the mean over the others, 0 where there are
  // none. A config that gives a label which nobody asked for is refused.
  std::optional<std::int64_t> ignore_label() const;

  // For whoever calls loss() and metrics(), before each call: what is known of the targets.
  void note_targets(TargetNotes notes);
  // Whether ignore_label() was asked since then.
  bool asked_for_ignore_label() const { return asked_; }

 private:
  TargetNotes notes_;
  mutable bool asked_ = false;
};

}  // namespace lockstep
