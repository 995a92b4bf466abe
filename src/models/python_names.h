// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

namespace lockstep {

// What the Python counterpart of a built-in model ties, and ours has once: each further name of a tensor, and
// the name that ours has. Local.
std::map<std::string, std::string> second_names_in_python(const std::string& model_type);

}  // namespace lockstep
