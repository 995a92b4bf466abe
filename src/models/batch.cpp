// SPDX-License-Identifier: Apache-2.0
#include "lockstep/models/batch.h"

#include <fmt/format.h>

#include <algorithm>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
  return text.empty() ? "none" : text;
}

}  // namespace

Batch::Batch(Tensors tensors, std::string target)
    : tensors_(std::move(tensors)), target_(std::move(target)) {}

bool Batch::has(const std::string& name) const {
  return std::ranges::any_of(tensors_, [&](const auto& tensor) { return tensor.first == name; });
}

const torch::Tensor& Batch::operator[](const std::string& name) const {
  for (const auto& [own, tensor] : tensors_)
    if (own == name) return tensor;
  throw Fault(ExitCode::kConfig, fmt::format("the batch has no field {}; it has {}", name, names()),
              "Let the model ask for a field of the data, or let data.fields name it");
}

const torch::Tensor& Batch::input() const {
  std::vector<std::string> others;
  const torch::Tensor* input = nullptr;
  for (const auto& [name, tensor] : tensors_) {
    if (name == target_) continue;
    others.push_back(name);
    input = &tensor;
  }
  if (others.size() == 1) return *input;
  throw Fault(
      ExitCode::kConfig,
      fmt::format("the model takes one input, and the data has {} beside the target {}", joined(others),
                  target_),
      "A model of several overrides forward(const lockstep::Batch&); data.fields chooses among those of "
      "a file");
}

std::string Batch::names() const {
  std::vector<std::string> all;
  for (const auto& [name, tensor] : tensors_) all.push_back(name);
  return joined(all);
}

}  // namespace lockstep
