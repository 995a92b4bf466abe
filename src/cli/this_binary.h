// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lockstep {

// Local. The program that runs here: lockstep, or one with models of its own. Throws Fault (69) without
// /proc.
std::string this_binary();

}  // namespace lockstep
