// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "lockstep/data/dataset.h"
#include "lockstep/models/model.h"
#include "workload.h"

namespace lockstep::bench {

// The training loop one writes by hand in LibTorch: all batches in memory, .grad accumulated over the
// micro-batches and set to none after each step, at::_fused_adamw_ over the list of parameters. No metrics,
// no journal, no look at the gradients.
class BareLoop {
 public:
  // Takes the samples that Lockstep's order gives each step.
  BareLoop(std::shared_ptr<Model> model, const Dataset& dataset, const Workload& workload);

  // The next step; returns its loss.
  double step();

 private:
  struct MicroBatchTensors {
    torch::Tensor inputs;
    torch::Tensor targets;
  };

  std::shared_ptr<Model> model_;
  int micro_batches_;
  std::vector<MicroBatchTensors> data_;  // of all steps, in order
  std::size_t next_ = 0;
  std::vector<torch::Tensor> parameters_;
  std::vector<torch::Tensor> exp_avg_;
  std::vector<torch::Tensor> exp_avg_sq_;
  std::vector<torch::Tensor> steps_;
};

}  // namespace lockstep::bench
