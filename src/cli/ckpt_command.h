// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "lockstep/cli/application.h"

namespace lockstep {

// Local. Adds `ckpt ls|show|verify DIR [--json]` to `app`. DIR is a run directory, its ckpt folder or, for
// show and verify, one checkpoint. When one of them is parsed it runs at once, prints to standard output and
// sets `exit_code` (verify: 65 when a checkpoint is damaged); Faults (65, 66) pass through app.parse() to the
// caller. `registries` and `exit_code` must outlive
// the parse.
void add_ckpt_command(CLI::App& app, const Registries& registries, int& exit_code);

}  // namespace lockstep
