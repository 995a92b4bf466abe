// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "optim/options.h"

namespace lockstep {

// The group of a parameter that no item of optim.groups matches.
inline constexpr int kNoGroup = -1;

// Local. For each of `names` (of all parameters of a model) the index of its group, or kNoGroup. Throws Fault
// (78) for a glob that matches none of them and for a parameter of two groups.
std::vector<int> groups_of(const OptimOptions& optim, const std::vector<std::string>& names);

// Local. The options that hold for the parameters of one group, or of none. Throws Fault (78) for a learning
// rate of a group beside one of 0, to which nothing is in proportion.
OptimOptions options_of_group(const OptimOptions& optim, int group);

// Local. What parameters with a learning rate of their `own` are updated with while `lr` stands in for
// optim.lr: in proportion.
double lr_of_group(double own, double optim_lr, double lr);

}  // namespace lockstep
