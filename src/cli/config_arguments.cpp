// SPDX-License-Identifier: Apache-2.0
#include "cli/config_arguments.h"

#include <algorithm>
#include <cctype>

#include "lockstep/base/error.h"

namespace lockstep {

bool is_override(const std::string& word) {
  const auto equals = word.find('=');
  if (equals == std::string::npos || equals == 0) return false;
  return word.front() != '.' &&
         std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(equals), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
         });
}

void ConfigArguments::add_to(CLI::App& command) {
  command.add_option("-c,--config", option_, "The config, a YAML file")->type_name("FILE");
  command.add_option("config", positional_, "The config, if not by -c, and keys to set, as optim.lr=1e-4")
      ->type_name("[FILE] key=value");
}

GivenConfig ConfigArguments::given() const {
  GivenConfig given{option_, {}};
  for (const std::string& word : positional_) {
    if (is_override(word)) {
      given.overrides.push_back(word);
    } else if (given.file.empty()) {
      given.file = word;
    } else {
      throw Fault(ExitCode::kUsage, "two configs are given: " + given.file + " and " + word,
                  "Name one; what is to be changed in it is written key=value, as in optim.lr=1e-4");
    }
  }
  if (given.file.empty())
    throw Fault(
        ExitCode::kUsage, "no config is given",
        "Name one, as in lockstep train -c run.yaml (lockstep config init prints one to start from; see "
        "also --help)");
  return given;
}

}  // namespace lockstep
