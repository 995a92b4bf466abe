// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "config/run_config.h"
#include "config/schema.h"

namespace lockstep {

// Local. Reads `file`, lays the overrides ("key=value", in order) over it, checks every key, type, range and
// what must fit together, fills in defaults and makes paths absolute: those of the file start at its folder,
// those of an override at the working directory. Throws Fault (66) when the file is missing or unreadable,
// Fault (78) with file, line, column and key for anything that is wrong.
RunConfig load_config(const std::string& file, const std::vector<std::string>& overrides = {},
                      const ExtraTypes& types = {});

// Local. The same from text; `name` stands for the file in messages, relative paths start at `directory`.
RunConfig load_config_text(const std::string& text, const Origin& origin,
                           const std::vector<std::string>& overrides, const ExtraTypes& types = {});

}  // namespace lockstep
