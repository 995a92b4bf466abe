// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "config/run_config.h"
#include "exchange/weight_names.h"
#include "lockstep/cli/application.h"
#include "lockstep/train/predictor.h"

namespace lockstep {

// Local. open_predictor() for a config that has been read already; `names` come
// behind its own rules.
Predictor load_predictor(const RunConfig& config, const std::string& weights, const Registries& registries,
                         const NameRules& names = {});

}  // namespace lockstep
