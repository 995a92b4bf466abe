// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "lockstep/base/error.h"
#include "models/builtin.h"

namespace lockstep {
namespace {

// A ModuleList and not a Sequential: only the Linear modules are numbered, whatever stands between them, so
// switching dropout on does not rename a weight.
class Mlp : public Model {
 public:
  explicit Mlp(const ModelOptions& options) : inputs_(options.inputs), dropout_(options.dropout) {
    std::int64_t width = options.inputs;
    for (const std::int64_t next : options.hidden) {
      layers_->push_back(torch::nn::Linear(width, next));
      width = next;
    }
    layers_->push_back(torch::nn::Linear(width, options.outputs));
    register_module("layers", layers_);
  }

  torch::Tensor forward(torch::Tensor input) override {
    torch::Tensor x = input.flatten(1);
    if (x.size(1) != inputs_) {
      throw Fault{
          ExitCode::kConfig,
          fmt::format("model.inputs is {}, but a sample of the data has {} values", inputs_, x.size(1)),
          fmt::format("set model.inputs: {}", x.size(1))};
    }
    const std::size_t last = layers_->size() - 1;
    for (std::size_t i = 0; i < last; ++i) {
      x = torch::relu(layers_->ptr<torch::nn::LinearImpl>(i)->forward(x));
      // Not called at 0: the mask of a probability of 0 would still be drawn.
      if (dropout_ > 0) x = torch::dropout(x, dropout_, is_training());
    }
    return layers_->ptr<torch::nn::LinearImpl>(last)->forward(x);
  }

 private:
  std::int64_t inputs_;
  double dropout_;
  torch::nn::ModuleList layers_;
};

}  // namespace

std::shared_ptr<Model> make_mlp(const ModelOptions& options) {
  require_positive("inputs", options.inputs);
  require_positive("outputs", options.outputs);
  for (const std::int64_t width : options.hidden) require_positive("hidden", width);
  require_probability(options.dropout);
  return std::make_shared<Mlp>(options);
}

}  // namespace lockstep
