// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>

#include "config/schema.h"

namespace lockstep {

// Key → what was given for it; a key that was not given is not in it.
using Settings = std::map<std::string, Setting>;

// Local. Takes the keys of a parsed file in. Throws Fault (78) for a key that is not in the schema and names
// the nearest one.
void collect_file(const ConfigNode& root, const std::shared_ptr<const Origin>& origin, const Schema& schema,
                  Settings& settings);

// Local. Takes one "key=value" in, over what was there; the value is YAML on one line and goes through the
// same parser, the key through the same table. A section takes a map; one member of a free map can be named
// (run.metadata.note=x). Throws Fault (78).
void collect_override(const std::string& text, const std::string& directory, const Schema& schema,
                      Settings& settings);

}  // namespace lockstep
