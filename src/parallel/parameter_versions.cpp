// SPDX-License-Identifier: Apache-2.0
#include "parallel/parameter_versions.h"

namespace lockstep {
namespace {

std::vector<std::uint32_t> versions_of(const ModelArena& arena) {
  std::vector<std::uint32_t> versions;
  for (const auto* tensors : {&arena.trainable_tensors(), &arena.frozen_tensors()})
    for (const torch::Tensor& tensor : *tensors)
      versions.push_back(static_cast<std::uint32_t>(tensor._version()));
  return versions;
}

}  // namespace

void ParameterVersions::note(const ModelArena& arena) {
  versions_ = versions_of(arena);
}

std::string ParameterVersions::changed(const ModelArena& arena) const {
  const std::vector<std::uint32_t> now = versions_of(arena);
  const std::size_t trainable = arena.trainable().size();
  for (std::size_t i = 0; i < versions_.size(); ++i)
    if (now[i] != versions_[i])
      return i < trainable ? arena.trainable()[i].name : arena.frozen()[i - trainable].name;
  return "";
}

}  // namespace lockstep
