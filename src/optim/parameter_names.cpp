// SPDX-License-Identifier: Apache-2.0
#include "optim/parameter_names.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include "base/some_of.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "optim/parameter_groups.h"

namespace lockstep {
namespace {

bool matches(const std::string& glob, const std::string& name) {
  return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0;
}

std::vector<std::string> all_of(const std::vector<ParameterAliases>& names) {
  std::vector<std::string> all;
  for (const ParameterAliases& of_one : names) all.insert(all.end(), of_one.begin(), of_one.end());
  return all;
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

std::vector<int> groups_of(const OptimOptions& optim, const std::vector<ParameterAliases>& names) {
  std::vector<int> groups(names.size(), kNoGroup);
  for (std::size_t group = 0; group < optim.groups.size(); ++group)
    for (const std::string& glob : optim.groups[group].match) {
      bool hit = false;
      for (std::size_t i = 0; i < names.size(); ++i)
        for (const std::string& name : names[i]) {
          if (!matches(glob, name)) continue;
          hit = true;
          put_in_group(groups[i], static_cast<int>(group), name);
        }
      if (!hit)
        throw Fault(ExitCode::kConfig,
                    fmt::format("optim.groups: '{}' of group {} matches none of the model's parameters",
                                printable(glob), group),
                    "Their names: " + some_of(all_of(names)));
    }
  return groups;
}

std::vector<NamedParameter> parameters_with_names(const torch::nn::Module& module) {
  std::vector<NamedParameter> all;
  std::map<const void*, std::size_t> places;
  for (const auto& item : module.named_parameters()) {
    const auto [place, is_new] = places.emplace(item.value().unsafeGetTensorImpl(), all.size());
    if (is_new) all.push_back({item.value(), {}});
    all[place->second].names.push_back(item.key());
  }
  return all;
}

std::map<std::string, int> groups_by_name(const OptimOptions& optim, const torch::nn::Module& module) {
  std::vector<ParameterAliases> names;
  for (const NamedParameter& one : parameters_with_names(module)) names.push_back(one.names);
  const std::vector<int> groups = groups_of(optim, names);
  std::map<std::string, int> by_name;
  for (std::size_t i = 0; i < names.size(); ++i) by_name[names[i].front()] = groups[i];
  return by_name;
}

}  // namespace lockstep
