// SPDX-License-Identifier: Apache-2.0
#include "lockstep/models/registry.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/foreign_exception.h"
#include "lockstep/base/error.h"
#include "models/builtin.h"

namespace lockstep {

ModelRegistry ModelRegistry::with_builtin() {
  ModelRegistry registry;
  registry.add("mlp", make_mlp);
  for (const char* depth : {"resnet18", "resnet34", "resnet50"}) registry.add(depth, make_resnet);
  registry.add("gpt", make_gpt);
  return registry;
}

void ModelRegistry::add(const std::string& type, ModelFactory factory) {
  const auto taken = [&](const auto& entry) { return entry.first == type; };
  check(std::none_of(factories_.begin(), factories_.end(), taken), "a model type is registered once");
  check(factory != nullptr, "a registered model type has a factory");
  factories_.emplace_back(type, std::move(factory));
}

std::shared_ptr<Model> ModelRegistry::make(const ModelOptions& options) const {
  // A search in order of registration: a handful of types, and messages list the built-in ones first.
  for (const auto& [type, factory] : factories_) {
    if (type != options.type) continue;
    const auto make = [&make_it = factory, &options] { return make_it(options); };
    auto model = with_foreign_faults(make, [&](const ForeignException& thrown) {
      if (thrown.kind == ForeignException::Kind::kOutOfMemory)
        return out_of_memory(thrown, "making model " + options.type, "Make the model smaller");
      return Fault(ExitCode::kConfig, fmt::format("making model {}: {}", options.type, thrown.text),
                   "Look at the section model of the config, model.params above all");
    });
    check(model != nullptr, "a model factory returns a model");
    return model;
  }
  throw Fault{ExitCode::kConfig, fmt::format("model.type is '{}', which is not registered", options.type),
              fmt::format("use one of: {}", fmt::join(types(), ", "))};
}

std::vector<std::string> ModelRegistry::types() const {
  std::vector<std::string> names;
  names.reserve(factories_.size());
  for (const auto& entry : factories_) names.push_back(entry.first);
  return names;
}

}  // namespace lockstep
