// SPDX-License-Identifier: Apache-2.0
#include "cli/load_run_config.h"

#include <memory>

#include "lockstep/base/error.h"

namespace lockstep {

namespace {

void require_free(bool is_free, const std::string& name) {
  check(is_free, "'" + name + "' is a part that is built in");
}

}  // namespace

ExtraTypes types_of(const Registries& registries) {
  for (const char* name : {"sgd", "adam", "adamw"})
    require_free(registries.optimizers.find(name) == nullptr, name);
  for (const char* name : {"constant", "linear", "cosine", "step"})
    require_free(registries.schedules.find(name) == nullptr, name);
  return {registries.models.types(), registries.datasets.types(), registries.optimizers.names(),
          registries.schedules.names()};
}

RunConfig load_run_config(const std::string& file, const std::vector<std::string>& overrides,
                          const Registries& registries) {
  RunConfig config = load_config(file, overrides, types_of(registries));
  if (const Optimizer* optimizer = registries.optimizers.find(config.optim.type))
    config.optim.own = std::make_shared<const Optimizer>(*optimizer);
  if (const Schedule* schedule = registries.schedules.find(config.schedule.type))
    config.schedule.own = *schedule;
  return config;
}

}  // namespace lockstep
