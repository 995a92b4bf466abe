// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "lockstep/cli/application.h"

namespace lockstep {

// Local. Adds `predict -c C --weights F (--input X [--top K] | --prompt TEXT [--tokens N] [--temperature T]
// [--seed S]) [--json]` to `app`. When it is parsed it answers on standard output; Faults (64, 65, 66, 69,
// 78) pass through app.parse(). `registries` must outlive the parse.
void add_predict_command(CLI::App& app, const Registries& registries);

}  // namespace lockstep
