// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "drill/drilled_run.h"

namespace lockstep {

// Local. One line a fault, under a line of headings. `difference` names the first tensor that differs at the
// end; it stands beside the first fault after which the bits were not the same.
std::string drill_table(const std::vector<StruckFault>& faults, const std::string& difference);

// Local. The same for programs: a list of objects. What was not measured is null.
nlohmann::ordered_json drill_rows(const std::vector<StruckFault>& faults);

// Local. Everything that is wrong with it, a sentence each; empty when all came back.
std::vector<std::string> what_went_wrong(const DrilledRun& disturbed, bool same_bits);

}  // namespace lockstep
