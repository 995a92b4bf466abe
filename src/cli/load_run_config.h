// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "config/load.h"
#include "lockstep/cli/application.h"

namespace lockstep {

// What a config may name beside the built-in parts.
ExtraTypes types_of(const Registries& registries);

// Local. load_config() with these types, and the optimizer and schedule of the program's own that it names.
RunConfig load_run_config(const std::string& file, const std::vector<std::string>& overrides,
                          const Registries& registries);

}  // namespace lockstep
