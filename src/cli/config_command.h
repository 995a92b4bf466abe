// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "config/schema.h"

namespace lockstep {

// Local. Adds `config check|show|diff|schema|init` to `app`. When one of them is parsed it runs at once,
// prints to standard output and sets `exit_code` (diff: 0 equal, 1 different); Faults (66, 78) pass through
// app.parse() to the caller. `exit_code` must outlive the parse.
void add_config_command(CLI::App& app, const ExtraTypes& types, int& exit_code);

}  // namespace lockstep
