// SPDX-License-Identifier: Apache-2.0
#include "lockstep/train/predictor.h"

#include <fmt/format.h>

#include <algorithm>

#include "lockstep/base/error.h"
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

torch::Tensor Predictor::operator()(const torch::Tensor& inputs) const {
  const EvalMode eval_mode(*model_);
  const c10::InferenceMode inference_mode;
  return model_->forward(moved(inputs, options_));
}

torch::Tensor Predictor::operator()(const Batch& batch) const {
  const EvalMode eval_mode(*model_);
  const c10::InferenceMode inference_mode;
  Batch::Tensors tensors;
  for (const auto& [name, tensor] : batch.tensors()) tensors.emplace_back(name, moved(tensor, options_));
  return model_->forward(Batch(std::move(tensors), batch.target_name()));
}

}  // namespace lockstep
