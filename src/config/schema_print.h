// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "config/schema.h"

namespace lockstep {

// The table as docs/config.md.
std::string schema_markdown(const Schema& schema);

// The table as JSON Schema (draft 2020-12), for editors.
std::string schema_json(const Schema& schema);

// The table as a config to start from: keys of the default types with their defaults, the others commented
// out.
std::string starter_yaml(const Schema& schema);

}  // namespace lockstep
