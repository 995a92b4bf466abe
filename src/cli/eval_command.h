// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "lockstep/cli/application.h"

namespace lockstep {

// Local. Adds `eval -c C --weights F [--part train|valid] [--json]` to `app`. When it is parsed it evaluates
// (Collective), prints loss and metrics on rank 0 and sets `exit_code`; Faults (65, 66, 69, 78) pass through
// app.parse(), agreed on all ranks. Both references must outlive the parse.
void add_eval_command(CLI::App& app, const Registries& registries, int& exit_code);

}  // namespace lockstep
