// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace lockstep {

// Is `text` well-formed UTF-8: no stray or overlong bytes, no surrogates, nothing above U+10FFFF?
bool is_utf8(std::string_view text);

}  // namespace lockstep
