// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

namespace lockstep {

// `lockstep doctor`: what the file system of a run has and lacks. Local; needs no MPI. `exit_code` becomes 73
// when no run can use the folder.
void add_doctor_command(CLI::App& app, int& exit_code);

}  // namespace lockstep
