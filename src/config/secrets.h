// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lockstep {

// What stands in reports and on the terminal in place of a secret.
inline constexpr const char* kMasked = "***";

// Does this key or environment name hold a secret, going by its name (token, secret, password; upper or lower
// case)? A number of tokens is none.
bool is_secret(const std::string& name);

// `json` with the value of every member whose name is_secret() masked, at any depth.
std::string mask_secrets(const std::string& json);

}  // namespace lockstep
