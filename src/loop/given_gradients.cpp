// SPDX-License-Identifier: Apache-2.0
#include "loop/given_gradients.h"

namespace lockstep {

void GivenGradients::add(const std::vector<torch::Tensor>& parameters) {
  for (const torch::Tensor& parameter : parameters)
    if (parameter.grad().defined()) given_.push_back({parameter, parameter.grad()});
}

void GivenGradients::take_back() {
  const torch::NoGradGuard no_grad;
  for (OfParameter& one : given_) {
    torch::Tensor& now = one.parameter.mutable_grad();
    if (now.is_same(one.gradient)) now.reset();
    if (one.gradient.use_count() > 1) one.gradient.set_data(one.gradient.clone());
  }
  given_.clear();
}

}  // namespace lockstep
