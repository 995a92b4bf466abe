// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace lockstep {

// `-c run.yaml [key=value …]`: what every command that needs a config takes.
struct ConfigArguments {
  std::string file;
  std::vector<std::string> overrides;

  // Local. Adds the option and the positional overrides to a command.
  void add_to(CLI::App& command) {
    command.add_option("-c,--config", file, "The config, a YAML file")->required()->type_name("FILE");
    command.add_option("overrides", overrides, "Keys to set, as optim.lr=1e-4")->type_name("key=value");
  }
};

}  // namespace lockstep
