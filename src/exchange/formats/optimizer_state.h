// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "exchange/formats/foreign_file.h"
#include "exchange/formats/value.h"

namespace lockstep {

// A torch.optim state_dict as data: {'state': {id: {slot: value}}, 'param_groups': [{…, 'params': [id, …]}]}.
struct OptimizerState {
  // Slot values of the parameter at this place in the groups: tensors, and numbers of old files (`step`).
  using Slots = std::map<std::string, const PyValue*>;
  std::vector<Slots> parameters;   // in the order of the groups; empty for one without state
  std::vector<std::string> names;  // `param_names` of the groups, where all have them; else empty
  std::vector<const PyValue*> groups;
};

// Local. Throws Fault (65) for anything that is not of this form, state of a parameter no group lists, or a
// slot that is no plain word of at most 64 bytes. Slots that are None are left out.
OptimizerState read_optimizer_state(const PyValue& value, const std::string& origin);

// How many updates a parameter has had: its `step`, a number or a tensor of one element of `file`. Throws
// Fault (65) for another value.
double step_count(const PyValue& step, const ForeignFile& file, const std::string& origin);

// A 0-dim or one-element tensor of a floating or integer dtype as a number; also a plain number. NaN when it
// is something else.
double as_number(const PyValue& value, const ForeignFile& file);

}  // namespace lockstep
