// SPDX-License-Identifier: Apache-2.0
#include "loop/stored_groups.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "base/some_of.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

constexpr const char* kParameters = "params";

TensorKey key_of(const std::string& optimizer, std::size_t group, const std::string& option) {
  return loop_key(fmt::format("{}.param_groups.{}.{}", optimizer, group, option));
}

torch::Tensor tensor_of(const std::vector<double>& values) {
  return values.size() == 1 ? torch::tensor(values[0], torch::kFloat64)
                            : torch::tensor(values, torch::kFloat64);
}

std::vector<double> values_of(const torch::Tensor& stored) {
  const torch::Tensor flat = stored.to(torch::kFloat64).contiguous().view({-1});
  const auto* const begin = flat.const_data_ptr<double>();
  return {begin, begin + flat.numel()};
}

std::string text_of(const std::vector<double>& values) {
  return values.size() == 1 ? fmt::format("{}", values[0]) : fmt::format("[{}]", fmt::join(values, ", "));
}

// None in a checkpoint of a version that did not keep them.
std::optional<std::vector<std::string>> stored_names(const StoredState& stored, const std::string& optimizer,
                                                     std::size_t group) {
  const auto text = stored.find(key_of(optimizer, group, kParameters).path());
  if (text == stored.end()) return std::nullopt;
  std::istringstream lines(text_in(text->second));
  std::vector<std::string> names;
  for (std::string name; std::getline(lines, name);) names.push_back(name);
  return names;
}

}  // namespace

std::size_t stored_groups(const StoredState& stored, const std::string& optimizer) {
  std::size_t count = 0;
  while (stored.contains(lr_of_group_key(optimizer, count).path())) ++count;
  return count;
}

TensorKey lr_of_group_key(const std::string& optimizer, std::size_t group) {
  return key_of(optimizer, group, "lr");
}

void keep_groups(const std::string& optimizer, const std::vector<ParamGroup>& groups,
                 std::vector<Kept>& all) {
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const auto& [option, values] : groups[i].options)
      all.push_back({key_of(optimizer, i, option), tensor_of(values), false, false});
    const std::string names = fmt::format("{}", fmt::join(groups[i].parameters, "\n"));
    all.push_back({key_of(optimizer, i, kParameters), text_tensor(names), false, false});
  }
}

void require_as_many_groups(const StoredState& stored, const std::string& optimizer, std::size_t groups) {
  const std::size_t count = stored_groups(stored, optimizer);
  if (count == groups) return;
  std::string more;
  for (std::size_t i = groups; i < count; ++i) {
    const auto names = stored_names(stored, optimizer, i);
    const auto lr = values_of(stored.at(lr_of_group_key(optimizer, i).path()));
    more += fmt::format("{} group {} has lr {}{}", i == groups ? ":" : ";", i, text_of(lr),
                        names ? " and " + some_of(*names) : "");
  }
  throw Fault(ExitCode::kConfig,
              fmt::format("{} has {} param_groups in the checkpoint and {} in the program{}", optimizer,
                          count, groups, more),
              "Give the optimizer before resume() the groups that it had when the checkpoint was written "
              "(add_param_group)");
}

std::vector<std::string> group_differences(const StoredState& stored, const std::string& optimizer,
                                           const std::vector<ParamGroup>& groups) {
  const std::size_t count = stored_groups(stored, optimizer);
  std::vector<std::string> said;
  const auto tell = [&](const std::string& what, const std::string& was, const std::string& is) {
    said.push_back(fmt::format("{}: {} in the checkpoint, {} in the program, which counts", what, was, is));
  };
  if (count != 0 && count != groups.size())
    tell("param_groups of " + optimizer, std::to_string(count), std::to_string(groups.size()));
  for (std::size_t i = 0; i < std::min(count, groups.size()); ++i) {
    const std::string of =
        count == 1 && groups.size() == 1 ? " of " + optimizer : fmt::format(" of {}, group {}", optimizer, i);
    for (const auto& [option, values] : groups[i].options) {
      const auto was = stored.find(key_of(optimizer, i, option).path());
      if (was != stored.end() && values_of(was->second) != values)
        tell(option + of, text_of(values_of(was->second)), text_of(values));
    }
    const auto names = stored_names(stored, optimizer, i);
    if (names && *names != groups[i].parameters)
      tell("parameters" + of, some_of(*names), some_of(groups[i].parameters));
  }
  return said;
}

}  // namespace lockstep
