// SPDX-License-Identifier: Apache-2.0
#include "optim/parameter_groups.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

bool matches(const std::string& glob, const std::string& name) {
  return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0;
}

// A few of them are enough to see how they are spelt.
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 6;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i)
    text += (i == 0 ? "" : ", ") + printable(names[i]);
  return names.size() > kShown ? text + fmt::format(", … ({} in all)", names.size()) : text;
}

void put_in_group(int& of, int group, const std::string& name) {
  if (of != kNoGroup && of != group)
    throw Fault(
        ExitCode::kConfig,
        fmt::format("optim.groups: parameter {} is matched by groups {} and {}", printable(name), of, group),
        "Narrow one of them: a parameter belongs to one group");
  of = group;
}

}  // namespace

std::vector<int> groups_of(const OptimOptions& optim, const std::vector<std::string>& names) {
  std::vector<int> groups(names.size(), kNoGroup);
  for (std::size_t group = 0; group < optim.groups.size(); ++group)
    for (const std::string& glob : optim.groups[group].match) {
      bool hit = false;
      for (std::size_t i = 0; i < names.size(); ++i) {
        if (!matches(glob, names[i])) continue;
        hit = true;
        put_in_group(groups[i], static_cast<int>(group), names[i]);
      }
      if (!hit)
        throw Fault(ExitCode::kConfig,
                    fmt::format("optim.groups: '{}' of group {} matches none of the model's parameters",
                                printable(glob), group),
                    "Their names: " + some_of(names));
    }
  return groups;
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
