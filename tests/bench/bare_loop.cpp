// SPDX-License-Identifier: Apache-2.0
#include "bare_loop.h"

#include <ATen/ops/_fused_adamw.h>

#include "data/host_batch.h"
#include "data/sample_order.h"
#include "train/device.h"

namespace lockstep::bench {

BareLoop::BareLoop(std::shared_ptr<Model> model, const Dataset& dataset, const Workload& workload)
    : model_(std::move(model)), micro_batches_(workload.micro_batches), parameters_(model_->parameters()) {
  const SampleOrder order{kSeed, dataset.size(), workload.global_batch(), /*shuffle=*/true};
  HostBatch batch;
  for (Step step{1}; step.value <= workload.steps; ++step) {
    for (int micro_batch = 0; micro_batch < micro_batches_; ++micro_batch) {
      batch.shape(layout_of(dataset), workload.micro_batch);
      for (std::int64_t i = 0; i < workload.micro_batch; ++i)
        batch.fill(i, dataset, {.index = order.index_of(step, micro_batch * workload.micro_batch + i)});
      batch.finish();
      const Batch tensors = to_device(batch, {});
      data_.push_back({tensors.input().clone(), tensors.target().clone()});
    }
  }
  for (const torch::Tensor& parameter : parameters_) {
    exp_avg_.push_back(torch::zeros_like(parameter));
    exp_avg_sq_.push_back(torch::zeros_like(parameter));
    steps_.push_back(torch::zeros({}, torch::kFloat32));
  }
}

double BareLoop::step() {
  double loss_sum = 0;
  for (int micro_batch = 0; micro_batch < micro_batches_; ++micro_batch) {
    const MicroBatchTensors& data = data_.at(next_++);
    const torch::Tensor output = model_->forward(data.inputs);
    const torch::Tensor loss = model_->loss(output, data.targets, LossKind::kAuto) / micro_batches_;
    loss.backward();
    loss_sum += loss.item<double>();
  }
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> gradients;
  for (const torch::Tensor& parameter : parameters_) gradients.push_back(parameter.grad());
  for (const torch::Tensor& count : steps_) count.add_(1);
  at::_fused_adamw_(parameters_, gradients, exp_avg_, exp_avg_sq_, {}, steps_, kLearningRate, 0.9, 0.999,
                    0.01, 1e-8, /*amsgrad=*/false, /*maximize=*/false);
  for (torch::Tensor& parameter : parameters_) parameter.mutable_grad().reset();
  return loss_sum;
}

}  // namespace lockstep::bench
