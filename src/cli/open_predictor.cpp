// SPDX-License-Identifier: Apache-2.0
#include "lockstep/cli/open_predictor.h"

#include "cli/load_predictor.h"
#include "cli/load_run_config.h"

namespace lockstep {

Predictor open_predictor(const std::string& file, const std::string& weights, const Registries& registries,
                         const std::vector<std::string>& overrides) {
  return load_predictor(load_run_config(file, overrides, registries), weights, registries);
}

}  // namespace lockstep
