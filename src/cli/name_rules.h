// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "exchange/weight_names.h"
#include "lockstep/models/options.h"

namespace lockstep {

// --strip PREFIX and --rename OLD=NEW, each as often as one likes. `rules` outlives `command`.
void add_name_rules(CLI::App& command, NameRules& rules);

// What the config says (model.weights_skip, _strip, _rename), and then what the command line does.
NameRules name_rules(const ModelOptions& model, const NameRules& more);

}  // namespace lockstep
