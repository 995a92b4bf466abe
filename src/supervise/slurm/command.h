// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "lockstep/base/error.h"

namespace lockstep {

struct CommandResult {
  int code = 0;      // as a shell has it: 128 + the signal, 127 for a program that is not there
  std::string text;  // standard output and standard error
};

// A program run to its end; a test hands in its own.
using RunCommand = std::function<CommandResult(const std::vector<std::string>&)>;

// Local. Runs a program of the PATH to its end, without input, and gives what it wrote. No signal that this
// process blocks is blocked there. Throws Fault (69) when it cannot be started.
CommandResult run_command(const std::vector<std::string>& words);

// Descriptors that become a program's standard output and error.
struct Outputs {
  int out = 1;
  int err = 2;
};

// Local. Starts a program of the PATH as a child, without input, its signals as a program expects them,
// whatever this process does with its own. Throws Fault (69).
pid_t start_program(const std::vector<std::string>& words, const Outputs& outputs);

// Local. The Fault (69) of a program for which there is no process or pipe.
Fault cannot_start(const std::string& program);

}  // namespace lockstep
