// SPDX-License-Identifier: Apache-2.0
#include "cli/path_arguments.h"

#include <set>
#include <string>

#include "config/paths.h"

namespace lockstep {
namespace {

bool is_path(const CLI::Option& option) {
  static const std::set<std::string> kTypes = {"FILE", "DIR", "PATH"};
  static const std::set<std::string> kNames = {"DIR", "RUN_DIR", "FILE",   "A",     "B",
                                               "a",   "b",       "output", "resume"};
  return kTypes.contains(option.get_type_name()) || kNames.contains(option.get_single_name());
}

}  // namespace

void expand_paths_in(CLI::App& app) {
  for (CLI::Option* option : app.get_options())
    if (is_path(*option))
      option->transform(CLI::Validator(
          [](std::string& path) {
            path = expanded_path(path, ExitCode::kUsage);
            return std::string();
          },
          ""));
  for (CLI::App* command : app.get_subcommands({})) expand_paths_in(*command);
}

}  // namespace lockstep
