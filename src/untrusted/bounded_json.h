// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

namespace lockstep {

struct JsonLimits {
  std::size_t depth = 0;
  std::size_t values = 0;  // of all kinds; each costs some 50 bytes
};

// Local. Parses JSON out of a file that may be hostile, with the members of objects in their order. Time is
// that of a sort and memory that of the values, whatever the text. Throws Fault (65), calling the file
// `origin`, for what is no JSON, is beyond the limits, or has a name twice in one object (a parser would let
// one of the two win). Members of what is returned are looked up one by one: go through large objects
// instead.
nlohmann::ordered_json parse_bounded_json(const std::string& text, const std::string& origin,
                                          const JsonLimits& limits);

}  // namespace lockstep
