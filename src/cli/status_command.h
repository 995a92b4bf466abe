// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "config/schema.h"

namespace lockstep {

// Local. Adds `status RUN_DIR [--json]` to `app`. When it is parsed it prints where the run is: state,
// attempts, step, loss, last checkpoint. Looks only; works beside a running job. Throws Fault (66) through
// app.parse().
void add_status_command(CLI::App& app, const ExtraTypes& types);

}  // namespace lockstep
