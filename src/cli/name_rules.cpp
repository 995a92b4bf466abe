// SPDX-License-Identifier: Apache-2.0
#include "cli/name_rules.h"

namespace lockstep {

void add_name_rules(CLI::App& command, NameRules& rules) {
  const auto repeatable = [](CLI::Option* option) {
    option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  };
  repeatable(command.add_option("--strip", rules.strip, "A prefix to take off the names in the file")
                 ->type_name("PREFIX"));
  repeatable(command.add_option("--rename", rules.rename, "What begins with OLD begins with NEW instead")
                 ->type_name("OLD=NEW"));
}

NameRules name_rules(const ModelOptions& model, const NameRules& more) {
  NameRules rules{model.weights_skip, model.weights_strip, model.weights_rename};
  rules.strip.insert(rules.strip.end(), more.strip.begin(), more.strip.end());
  rules.rename.insert(rules.rename.end(), more.rename.begin(), more.rename.end());
  return rules;
}

}  // namespace lockstep
