// SPDX-License-Identifier: Apache-2.0
#include "lockstep/cli/open_predictor.h"

#include "cli/load_predictor.h"
#include "config/load.h"

namespace lockstep {

Predictor open_predictor(const std::string& file, const std::string& weights, const Registries& registries,
                         const std::vector<std::string>& overrides) {
  const ExtraTypes types{registries.models.types(), registries.datasets.types()};
  return load_predictor(load_config(file, overrides, types), weights, registries);
}

}  // namespace lockstep
