// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <string>
#include <utility>
#include <vector>

namespace lockstep {

// The samples of a micro-batch as named tensors [samples, …], in the order of the dataset's fields. A field
// that varies between samples is padded to the longest, and followed by its lengths, NAME_length. Copies
// share the tensors.
class Batch {
 public:
  using Tensors = std::vector<std::pair<std::string, torch::Tensor>>;

  Batch() = default;
  // `target` names the one that the loss compares with; empty: none of them.
  explicit Batch(Tensors tensors, std::string target = "");

  // Throws Fault (78) that names those there are.
  const torch::Tensor& operator[](const std::string& name) const;
  bool has(const std::string& name) const;
  const torch::Tensor& target() const { return (*this)[target_]; }
  const std::string& target_name() const { return target_; }
  // The one tensor beside the target. Throws Fault (78) that names them where there are several.
  const torch::Tensor& input() const;
  const Tensors& tensors() const { return tensors_; }
  // "x, mask and y", for messages.
  std::string names() const;

 private:
  Tensors tensors_;
  std::string target_;
};

}  // namespace lockstep
