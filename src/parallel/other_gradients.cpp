// SPDX-License-Identifier: Apache-2.0
#include "parallel/other_gradients.h"

#include <torch/csrc/autograd/functions/accumulate_grad.h>

namespace lockstep {

OtherGradients::OtherGradients(const torch::Tensor& loss, const Tensors& own) {
  std::unordered_set<const torch::autograd::Node*> seen;
  std::vector<torch::autograd::Node*> open;
  const auto visit = [&](torch::autograd::Node* node) {
    if (node != nullptr && seen.insert(node).second) open.push_back(node);
  };
  visit(loss.grad_fn().get());
  while (!open.empty()) {
    torch::autograd::Node* const node = open.back();
    open.pop_back();
    if (auto* const end = dynamic_cast<torch::autograd::AccumulateGrad*>(node);
        end != nullptr && !own.contains(end->variable.unsafeGetTensorImpl())) {
      kept_.emplace_back(end->variable, end->variable.grad());
      end->variable.mutable_grad().reset();
    }
    for (const torch::autograd::Edge& edge : node->next_edges()) visit(edge.function.get());
  }
}

OtherGradients::~OtherGradients() {
  for (auto& [tensor, gradient] : kept_) tensor.mutable_grad() = gradient;
}

}  // namespace lockstep
