// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace lockstep {

// A config and what is changed in it, as the commands use them.
struct GivenConfig {
  std::string file;
  std::vector<std::string> overrides;
};

// `[-c] run.yaml [key=value …]`: what every command that needs a config takes.
class ConfigArguments {
 public:
  // Local. Adds the option and the positional arguments to a command. Must outlive it.
  void add_to(CLI::App& command);
  // Local. Tells the config from the overrides: a positional argument that begins with a key and '=' is an
  // override, another is the config. Throws Fault (64) when there is no config, or more than one.
  GivenConfig given() const;
  // For a command that can do without: was neither a config nor an override given?
  bool empty() const { return option_.empty() && positional_.empty(); }

 private:
  std::string option_;
  std::vector<std::string> positional_;
};

// Local. Is `word` a key, '=' and anything? `./a=b.yaml` is not.
bool is_override(const std::string& word);

}  // namespace lockstep
