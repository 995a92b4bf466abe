// SPDX-License-Identifier: Apache-2.0
#include "config/group_text.h"

#include <nlohmann/json.hpp>

#include "config/value.h"

namespace lockstep {
namespace {

using Json = nlohmann::json;

std::string text_of(const OptimGroup& group) {
  std::string text;
  const auto put = [&](const char* key, const Value& value) {
    text += (text.empty() ? "{\"" : ", \"") + std::string(key) + "\": " + json_text(value);
  };
  if (group.betas) put("betas", std::vector<double>(group.betas->begin(), group.betas->end()));
  if (group.eps) put("eps", *group.eps);
  if (group.frozen) put("frozen", true);
  if (group.lr) put("lr", *group.lr);
  put("match", group.match);
  if (group.weight_decay) put("weight_decay", *group.weight_decay);
  return text + "}";
}

template <class T>
std::optional<T> member(const Json& item, const char* key) {
  const auto found = item.find(key);
  return found == item.end() ? std::nullopt : std::optional<T>(found->get<T>());
}

}  // namespace

std::string text_of_groups(const std::vector<OptimGroup>& groups) {
  std::string text = "[";
  for (const OptimGroup& group : groups) text += (text.size() > 1 ? ", " : "") + text_of(group);
  return text + "]";
}

std::vector<OptimGroup> groups_from_text(const std::string& text) {
  std::vector<OptimGroup> groups;
  for (const Json& item : Json::parse(text))
    groups.push_back({.match = item.at("match").get<std::vector<std::string>>(),
                      .lr = member<double>(item, "lr"),
                      .betas = member<std::array<double, 2>>(item, "betas"),
                      .eps = member<double>(item, "eps"),
                      .weight_decay = member<double>(item, "weight_decay"),
                      .frozen = member<bool>(item, "frozen").value_or(false)});
  return groups;
}

}  // namespace lockstep
