// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "exchange/param_groups.h"
#include "loop/added.h"
#include "loop/stored_state.h"

namespace lockstep {

// Note [groups of an optimizer]: a checkpoint has of each param_group of an optimizer its options and the
// names of its parameters, as "<optimizer>.param_groups.<index>.<option>". A resume takes learning rates from
// there, which a run changes; all other options are the program's, and where they are others than they were,
// that is said. Local.

// How many groups `optimizer` had; 0 in a checkpoint that does not have them.
std::size_t stored_groups(const StoredState& stored, const std::string& optimizer);

TensorKey lr_of_group_key(const std::string& optimizer, std::size_t group);

void keep_groups(const std::string& optimizer, const std::vector<ParamGroup>& groups, std::vector<Kept>& all);

// Throws Fault (78) where there were more groups or fewer: each has state that would be left out.
void require_as_many_groups(const StoredState& stored, const std::string& optimizer, std::size_t groups);

// A sentence each: what is otherwise in the program.
std::vector<std::string> group_differences(const StoredState& stored, const std::string& optimizer,
                                           const std::vector<ParamGroup>& groups);

}  // namespace lockstep
