// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace lockstep {

struct CommandResult {
  int code = 0;      // as a shell has it: 128 + the signal, 127 for a program that is not there
  std::string text;  // standard output and standard error
};

// A program run to its end; a test hands in its own.
using RunCommand = std::function<CommandResult(const std::vector<std::string>&)>;

// Local. Runs a program of the PATH to its end, without input, and gives what it wrote. No signal that this
// process blocks is blocked there.
CommandResult run_command(const std::vector<std::string>& words);

}  // namespace lockstep
