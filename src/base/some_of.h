// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace lockstep {

// For a message: the first few names, which are enough to see what they are, and how many there are.
std::string some_of(const std::vector<std::string>& names);

}  // namespace lockstep
