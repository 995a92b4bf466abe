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
  return model_->forward(inputs.is_floating_point() ? inputs.to(options_.device, options_.dtype)
                                                    : inputs.to(options_.device));
}

}  // namespace lockstep
