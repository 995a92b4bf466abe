// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace lockstep {

// The one of `keys` that somebody who wrote `key` most likely meant: the right last word in the wrong
// section, or the fewest wrong letters (a third of them at most; two swapped ones count once). Empty when
// none is close.
std::string nearest_key(const std::string& key, const std::vector<std::string>& keys);

}  // namespace lockstep
