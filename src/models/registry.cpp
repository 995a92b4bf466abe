// SPDX-License-Identifier: Apache-2.0
#include "lockstep/models/registry.h"

#include <fmt/format.h>

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
  check(factory != nullptr, "a registered model type has a factory");
  factories_.add(type, std::move(factory));
}

std::shared_ptr<Model> ModelRegistry::make(const ModelOptions& options) const {
  const ModelFactory* factory = factories_.find(options.type);
  if (factory == nullptr)
    throw Fault{ExitCode::kConfig, fmt::format("model.type is '{}', which is not registered", options.type),
                fmt::format("use one of: {}", fmt::join(types(), ", "))};
  const auto make = [&] { return (*factory)(options); };
  auto model = with_foreign_faults(make, [&](const ForeignException& thrown) {
    if (thrown.kind == ForeignException::Kind::kOutOfMemory)
      return out_of_memory(thrown, "making model " + options.type, "Make the model smaller");
    return Fault(ExitCode::kConfig, fmt::format("making model {}: {}", options.type, thrown.text),
                 "Look at the section model of the config, model.params above all");
  });
  check(model != nullptr, "a model factory returns a model");
  return model;
}

}  // namespace lockstep
