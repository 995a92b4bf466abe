// SPDX-License-Identifier: Apache-2.0
#include "exchange/param_groups.h"

#include <nlohmann/json.hpp>
#include <set>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using Json = nlohmann::json;

void require(bool holds) {
  if (!holds)
    throw Fault(ExitCode::kNoValidCheckpoint,
                "the checkpoint's parameter groups are not what Lockstep writes",
                "Export with --weights-only");
}

// `seen`: the places of groups before it; no parameter is listed twice.
ParamGroup parse_group(const Json& item, const std::vector<std::string>& names,
                       std::set<std::uint64_t>& seen) {
  require(item.is_object() && item.contains("options") && item.contains("params"));
  require(item["options"].is_object() && item["params"].is_array());
  ParamGroup group;
  for (const auto& [name, numbers] : item["options"].items()) {
    require(numbers.is_array());
    std::vector<double>& list = group.options[name];
    for (const Json& number : numbers) {
      require(number.is_number());
      list.push_back(number.get<double>());
    }
  }
  for (const Json& place : item["params"]) {
    require(place.is_number_unsigned() && place.get<std::uint64_t>() < names.size());
    require(seen.insert(place.get<std::uint64_t>()).second);
    group.parameters.push_back(names[place.get<std::uint64_t>()]);
  }
  return group;
}

}  // namespace

void keep_param_groups(TrainRecord& record, const std::vector<ParamGroup>& groups) {
  Json extra = Json::parse(record.extra);
  extra.erase(kParamGroups);
  record.extra = extra.dump();
  if (groups.empty()) return;
  std::map<std::string, std::size_t> place;
  for (std::size_t i = 0; i < record.parameter_order.size(); ++i) place[record.parameter_order[i]] = i;
  Json list = Json::array();
  for (const ParamGroup& group : groups) {
    Json parameters = Json::array();
    for (const std::string& name : group.parameters) {
      check(place.contains(name), "a group's parameter is one of the model's: " + name);
      parameters.push_back(place.at(name));
    }
    list.push_back({{"options", group.options}, {"params", parameters}});
  }
  extra[kParamGroups] = list;
  record.extra = extra.dump();
}

std::vector<ParamGroup> param_groups_of(const TrainRecord& record) {
  const Json extra = Json::parse(record.extra, nullptr, /*allow_exceptions=*/false);
  if (!extra.is_object() || !extra.contains(kParamGroups)) return {};
  require(extra[kParamGroups].is_array());
  std::vector<ParamGroup> groups;
  std::set<std::uint64_t> seen;
  for (const Json& item : extra[kParamGroups])
    groups.push_back(parse_group(item, record.parameter_order, seen));
  return groups;
}

}  // namespace lockstep
