// SPDX-License-Identifier: Apache-2.0
#include "optim/parameter_groups.h"

#include <fmt/format.h>

#include "lockstep/base/error.h"
#include "optim/parameter_names.h"

namespace lockstep {

std::vector<int> groups_of(const OptimOptions& optim, const std::vector<std::string>& names) {
  std::vector<ParameterAliases> each;
  for (const std::string& name : names) each.push_back({name});
  return groups_of(optim, each);
}

OptimOptions options_of_group(const OptimOptions& optim, int group) {
  OptimOptions options = optim;
  options.groups.clear();
  if (group == kNoGroup) return options;
  const OptimGroup& own = optim.groups.at(static_cast<std::size_t>(group));
  if (own.lr && optim.lr == 0)
    throw Fault(ExitCode::kConfig,
                fmt::format("optim.groups: group {} has lr {} beside optim.lr 0", group, *own.lr),
                "A group's lr follows the schedule in proportion to optim.lr, so that must be above 0");
  options.lr = own.lr.value_or(optim.lr);
  options.betas = own.betas.value_or(optim.betas);
  options.eps = own.eps.value_or(optim.eps);
  options.weight_decay = own.weight_decay.value_or(optim.weight_decay);
  return options;
}

double lr_of_group(double own, double optim_lr, double lr) {
  return own == optim_lr ? lr : own * (lr / optim_lr);
}

}  // namespace lockstep
