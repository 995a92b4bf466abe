// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "checkpoint/state.h"

namespace lockstep {

// One of torch.optim's param_groups: its options under their names there, a list of numbers each (flags are 0
// and 1), and its parameters in order.
struct ParamGroup {
  std::map<std::string, std::vector<double>> options;
  std::vector<std::string> parameters;

  bool operator==(const ParamGroup&) const = default;
};

// The member of a record's `extra` that holds them.
inline constexpr const char* kParamGroups = "param_groups";

// Local. Puts the groups into the record, whose parameter_order names every parameter, in place of those that
// it has; none: it has none then. Bug for a parameter that it does not name.
void keep_param_groups(TrainRecord& record, const std::vector<ParamGroup>& groups);

// Local. What keep_param_groups() wrote; empty where it did not. Throws Fault (65) for anything else.
std::vector<ParamGroup> param_groups_of(const TrainRecord& record);

}  // namespace lockstep
