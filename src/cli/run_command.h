// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

#include "lockstep/cli/application.h"

namespace lockstep {

// The command line of `lockstep run`, before it is parsed: behind `--` stands a program with its own options.
struct RunWords {
  std::vector<std::string> own;      // the binary and all words in front of `--`
  std::vector<std::string> program;  // those behind it
};

// Local. Empty for another command; else the program's words are taken off the command line.
RunWords take_run_words(int& argc, char** argv);

// Local. Adds `run` to `app`; when it is parsed it runs a job to its end and sets `exit_code`.
void add_run_command(CLI::App& app, const Registries& registries, const RunWords& words, int& exit_code);

}  // namespace lockstep
