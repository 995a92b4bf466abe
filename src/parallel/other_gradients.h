// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <unordered_set>
#include <utility>
#include <vector>

namespace lockstep {

// While it lives, .grad of the tensors that `loss` reaches and that are none of `own` is set aside, and comes
// back as it was: a backward pass through another module (a GAN's discriminator) leaves nothing there. Local.
class OtherGradients {
 public:
  using Tensors = std::unordered_set<const void*>;  // TensorImpl

  OtherGradients(const torch::Tensor& loss, const Tensors& own);
  ~OtherGradients();
  OtherGradients(const OtherGradients&) = delete;
  OtherGradients& operator=(const OtherGradients&) = delete;

 private:
  std::vector<std::pair<torch::Tensor, torch::Tensor>> kept_;  // tensor, its .grad
};

}  // namespace lockstep
