// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <map>
#include <string>
#include <vector>

#include "optim/options.h"

namespace lockstep {

// Of one parameter: those it is registered under. Tied weights have several, and any of them names it.
using ParameterAliases = std::vector<std::string>;

// Local. As groups_of(), of parameters with several names.
std::vector<int> groups_of(const OptimOptions& optim, const std::vector<ParameterAliases>& names);

// Local. Each parameter of a module once, in the order of named_parameters(), with all its names; the first
// is the one it is kept under.
struct NamedParameter {
  torch::Tensor tensor;
  ParameterAliases names;
};
std::vector<NamedParameter> parameters_with_names(const torch::nn::Module& module);

// Local. The group of each, by its first name. Throws Fault (78) as groups_of().
std::map<std::string, int> groups_by_name(const OptimOptions& optim, const torch::nn::Module& module);

}  // namespace lockstep
