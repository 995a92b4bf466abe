// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "config/node.h"

namespace lockstep {

// Local. Looks at the bytes before any parser does. Throws Fault (78) with line and column for text above 1
// MiB, a byte order mark, control bytes, broken UTF-8, and tabs in the indentation.
void guard_text(const std::string& text, const Origin& origin);

}  // namespace lockstep
