// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

namespace lockstep {

// Local. Lets every argument of `app` and its commands that is a path take `~/x` as a config does: a shell
// leaves it as it is in --weights=~/x. Call it when all commands are there.
void expand_paths_in(CLI::App& app);

}  // namespace lockstep
