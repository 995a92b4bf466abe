// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lockstep/base/named_parts.h"
#include "lockstep/models/model.h"

namespace lockstep {

using ModelFactory = std::function<std::shared_ptr<Model>(const ModelOptions&)>;

// Names of types to factories: the built-in ones, and a user's own.
class ModelRegistry {
 public:
  // With mlp, resnet18, resnet34, resnet50 and gpt.
  static ModelRegistry with_builtin();

  // Throws Bug when the name is taken.
  void add(const std::string& type, ModelFactory factory);
  // Builds in float32 on the CPU with PyTorch's initialisation from LibTorch's default generator.
  // Throws Fault (78) for an unknown type (names those there are) and for options that do not fit together.
  std::shared_ptr<Model> make(const ModelOptions& options) const;
  std::vector<std::string> types() const { return factories_.names(); }

 private:
  NamedParts<ModelFactory> factories_;
};

}  // namespace lockstep
