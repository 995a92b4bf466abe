// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exchange/formats/value.h"

namespace lockstep {

// Local. After this a tree may be walked without further care: it is nested at most 64 deep, holds no node
// inside itself, is no larger than four million nodes when shared ones are counted as often as they hang in
// it, and no dict has a key twice. Throws Fault (65) otherwise.
void check_tree(const PyValue& root, const std::string& origin);

}  // namespace lockstep
