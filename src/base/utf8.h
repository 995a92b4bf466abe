// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lockstep {

// A character and how many bytes spell it; none where the bytes are no well-formed UTF-8.
struct Utf8 {
  std::size_t length = 0;
  std::uint32_t character = 0;
};

// The first character of `text`. None for a stray byte, a surrogate, what is above U+10FFFF, what is cut off
// by the end, and overlong forms, which some terminals take for the character they spell.
Utf8 first_utf8(std::string_view text);

// Is all of `text` well-formed?
bool is_utf8(std::string_view text);

}  // namespace lockstep
