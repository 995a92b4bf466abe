// SPDX-License-Identifier: Apache-2.0
#include "cli/load_predictor.h"

#include "cli/name_rules.h"
#include "train/device.h"

namespace lockstep {

Predictor load_predictor(const RunConfig& config, const std::string& weights, const Registries& registries,
                         const NameRules& names) {
  // One process asks at a time, so it takes the first device.
  const ComputeDevice compute = prepare_device(config.train, /*local_rank=*/0, config.memory);
  const NameRules rules = name_rules(config.model, names);
  return {registries.models.make(config.model),
          weights,
          {compute.device, compute.dtype, rules.skip, rules.strip, rules.rename, compute.autocast}};
}

}  // namespace lockstep
