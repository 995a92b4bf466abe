// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <vector>

namespace lockstep {

// The gradients that a step has left in .grad. They lie in memory that the next step writes anew; with
// plain LibTorch, whose next step has other memory, a program may keep one. Local.
class GivenGradients {
 public:
  // Those of `parameters` are given.
  void add(const std::vector<torch::Tensor>& parameters);
  // Before the next step: .grad is empty where it is one of them still. Who kept a handle to one has the same
  // numbers, in memory of its own; of a view of one, nobody can know.
  void take_back();

 private:
  struct OfParameter {
    torch::Tensor parameter;
    torch::Tensor gradient;
  };
  std::vector<OfParameter> given_;
};

}  // namespace lockstep
