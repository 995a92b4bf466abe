// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <optional>

namespace lockstep {

// What torch.autocast is in Python: while it lives, matrix products and convolutions of this thread compute
// in `dtype` (torch::kBFloat16 or kHalf) on devices of that type, and losses and the like in float32;
// parameters, and so their gradients, keep their dtype. Around forward and loss, not backward. They nest; the
// outermost forgets the cast weights at its end. Without a dtype it changes nothing. Local.
//
//   const lockstep::Autocast mixed(torch::kCPU, torch::kBFloat16);
//   torch::Tensor loss = torch::cross_entropy_loss(model->forward(input), target);
class Autocast {
 public:
  Autocast(torch::DeviceType device, std::optional<torch::ScalarType> dtype);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  torch::DeviceType device_;
  std::optional<torch::ScalarType> dtype_;
  // What was before it.
  torch::ScalarType former_dtype_ = torch::kFloat32;
  bool was_on_ = false;
  bool was_caching_ = true;
};

}  // namespace lockstep
