// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace lockstep {

// Local. Why the command line was not understood, with the name that was likely meant and where help is: fact
// and remedy, as of every other error. `app` is the root, after its parse() threw `error`.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error);

}  // namespace lockstep
