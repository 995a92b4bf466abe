// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "config/run_config.h"

namespace lockstep {

// Whether values of keys named like secrets are written or masked.
enum class Secrets { kWrite, kMask };

// The whole effective config as YAML, defaults included, paths absolute: a config file again, with the same
// meaning. What a run directory keeps as config.yaml.
std::string effective_yaml(const RunConfig& config, Secrets secrets);

// The same as one nested JSON object.
std::string effective_json(const RunConfig& config, Secrets secrets);

// One line `key: value` for each key but those that hold paths, which may differ from host to host; secrets
// masked.
std::string lines_without_paths(const RunConfig& config);

}  // namespace lockstep
