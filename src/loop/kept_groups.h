// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <map>
#include <string>
#include <vector>

#include "exchange/param_groups.h"
#include "optim/optimizer.h"

namespace lockstep {

// Of parameters by their names: the groups that a record keeps of an optimizer of Lockstep's, first of those
// that are in none of optim.groups. Those without parameters are left out. `lr` stands in for optim.lr.
std::vector<ParamGroup> groups_to_keep(const OptimOptions& optim,
                                       const std::map<int, std::vector<std::string>>& names, double lr);

// Local. The options of a torch.optim group, under the names that its Python namesake has; flags are 0 and 1.
std::map<std::string, std::vector<double>> options_of(const torch::optim::OptimizerOptions& options);

// Local. Whether an export has the groups of such an optimizer: SGD, Adam and AdamW.
bool can_be_exported(const torch::optim::Optimizer& optimizer);

}  // namespace lockstep
