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

// Local. The options of a torch.optim group that its Python namesake has too; none for other kinds than SGD,
// Adam and AdamW.
std::map<std::string, std::vector<double>> options_to_keep(const torch::optim::OptimizerOptions& options);

}  // namespace lockstep
