// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <utility>
#include <vector>

namespace lockstep {

// The states of LibTorch's default generators that work on a device draws from: the CPU's and its own. Local.
class GeneratorStates {
 public:
  explicit GeneratorStates(const torch::Device& device);
  void restore() const;

 private:
  std::vector<std::pair<at::Generator, torch::Tensor>> states_;
};

// The random generators that training draws from, put back at the end of a scope.
class KeptGenerators {
 public:
  explicit KeptGenerators(const torch::Device& device) : states_(device) {}
  ~KeptGenerators() { states_.restore(); }
  KeptGenerators(const KeptGenerators&) = delete;
  KeptGenerators& operator=(const KeptGenerators&) = delete;

 private:
  GeneratorStates states_;
};

}  // namespace lockstep
