// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "lockstep/cli/application.h"

namespace lockstep {

// Local. Adds `train` to `app`; when it is parsed it trains (Collective) and sets `exit_code`.
void add_train_command(CLI::App& app, const Registries& registries, int& exit_code);

}  // namespace lockstep
