// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "config/run_config.h"
#include "lockstep/cli/application.h"
#include "lockstep/train/predictor.h"

namespace lockstep {

// Local. open_predictor() for a config that has been read already.
Predictor load_predictor(const RunConfig& config, const std::string& weights, const Registries& registries);

}  // namespace lockstep
