// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// Throws Fault (65): `origin` is refused because of `fact`. Names out of a hostile file may stand in `fact`:
// control bytes are escaped, and no more than its beginning is shown.
[[noreturn]] void refuse_bytes(const std::string& origin, std::string_view fact, std::string remedy = "");

}  // namespace lockstep
