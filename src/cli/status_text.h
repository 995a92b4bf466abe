// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lockstep {

// Local. What RunView::json() says, for people: a line each of what is known. No text of the run moves the
// terminal's cursor.
std::string status_text(const nlohmann::ordered_json& status);

// Local. The state and, behind it, why.
std::string state_text(const nlohmann::ordered_json& status);

}  // namespace lockstep
