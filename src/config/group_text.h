// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "optim/options.h"

namespace lockstep {

// Local. The items of optim.groups as JSON on one line that is YAML as well, keys sorted; only what is given.
std::string text_of_groups(const std::vector<OptimGroup>& groups);

// Local. Back from that text.
std::vector<OptimGroup> groups_from_text(const std::string& text);

}  // namespace lockstep
