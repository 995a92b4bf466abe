// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lockstep {

// Local. Parses JSON out of a file that may be hostile. Throws Fault (65), calling the file `origin`, for
// what is no JSON, is nested deeper than `max_depth`, or has a name twice in one object (a parser would let
// one of the two win).
nlohmann::json parse_bounded_json(const std::string& text, const std::string& origin, std::size_t max_depth);

}  // namespace lockstep
