// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "config/schema.h"

namespace lockstep {

// Local. Adds `drill` to `app`; when it is parsed it runs the config undisturbed and disturbed, and sets
// `exit_code`.
void add_drill_command(CLI::App& app, const ExtraTypes& types, int& exit_code);

}  // namespace lockstep
