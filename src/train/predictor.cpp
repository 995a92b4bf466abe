// SPDX-License-Identifier: Apache-2.0
#include "lockstep/train/predictor.h"

#include <fmt/format.h>

#include <algorithm>

#include "lockstep/base/error.h"
#include "lockstep/models/autocast.h"
#include "loop/module_modes.h"
#include "named/open_weights.h"
#include "train/device.h"
#include "train/start_weights.h"

namespace lockstep {
namespace {

torch::Tensor moved(const torch::Tensor& tensor, const PredictorOptions& options) {
  return tensor.is_floating_point() ? tensor.to(options.device, options.dtype) : tensor.to(options.device);
}

}  // namespace

Predictor::Predictor(std::shared_ptr<Model> model, const std::string& weights,
                     const PredictorOptions& options)
    : model_(std::move(model)), options_(options) {
  move_model(*model_, {options_.device, options_.dtype});
  fill_model(*model_, *open_weights(weights),
             {options_.weights_skip, options_.weights_strip, options_.weights_rename});
}

torch::Tensor Predictor::answer(const std::function<torch::Tensor()>& forward) const {
  const EvalMode eval_mode(*model_);
  const c10::InferenceMode inference_mode;
  const Autocast mixed(options_.device.type(), options_.autocast);
  const torch::Tensor output = forward();
  return options_.autocast && output.scalar_type() == *options_.autocast ? output.to(options_.dtype) : output;
}

torch::Tensor Predictor::operator()(const torch::Tensor& inputs) const {
  return answer([&] { return model_->forward(moved(inputs, options_)); });
}

torch::Tensor Predictor::operator()(const Batch& batch) const {
  Batch::Tensors tensors;
  for (const auto& [name, tensor] : batch.tensors()) tensors.emplace_back(name, moved(tensor, options_));
  const Batch ready(std::move(tensors), batch.target_name());
  return answer([&] { return model_->forward(ready); });
}

}  // namespace lockstep
