// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "config/schema.h"

namespace lockstep {

// `lockstep run`: the supervisor. Local; sets `exit_code` to the job's.
void add_run_command(CLI::App& app, const ExtraTypes& types, int& exit_code);

}  // namespace lockstep
