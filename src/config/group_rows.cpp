// SPDX-License-Identifier: Apache-2.0
#include "config/group_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "config/group_text.h"
#include "config/nearest.h"
#include "config/read_value.h"
#include "config/rows.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

const std::string kPrefix = "optim.groups.";

// How a value becomes a member of the group.
using Take = std::function<void(OptimGroup&, const Value&)>;

template <class T>
Take into(T OptimGroup::*member) {
  return [member](OptimGroup& group, const Value& value) { binding::from_value(group.*member, value); };
}

template <class T>
Take into(std::optional<T> OptimGroup::*member) {
  return [member](OptimGroup& group, const Value& value) {
    binding::from_value((group.*member).emplace(), value);
  };
}

const std::map<std::string, Take>& takes() {
  static const std::map<std::string, Take> kTakes = {
      {"match", into(&OptimGroup::match)}, {"frozen", into(&OptimGroup::frozen)},
      {"lr", into(&OptimGroup::lr)},       {"betas", into(&OptimGroup::betas)},
      {"eps", into(&OptimGroup::eps)},     {"weight_decay", into(&OptimGroup::weight_decay)},
  };
  return kTakes;
}

Row own_row(const std::string& name, KeyKind kind) {
  Row row;
  row.key = kPrefix + name;
  return std::move(row).as(kind);
}

std::vector<Row> make_rows() {
  std::vector<Row> rows;
  rows.push_back(own_row("match", KeyKind::kTextList).counts(1, 1024));
  rows.push_back(own_row("frozen", KeyKind::kBool));
  for (Row& row : optim_rows()) {
    const std::string name = row.key.substr(row.key.rfind('.') + 1);
    if (!takes().contains(name)) continue;
    row.key = kPrefix + name;
    rows.push_back(std::move(row));
  }
  return rows;
}

const Row& row_of(const Setting& item, std::size_t place) {
  const std::string key = kPrefix + item.node.keys[place];
  std::vector<std::string> all;
  for (const Row& row : group_rows()) {
    if (row.key == key) return row;
    all.push_back(row.key);
  }
  ConfigNode here;
  here.at = item.node.key_at[place];
  const std::string nearest = nearest_key(key, all);
  refuse({here, here.at, item.origin}, printable(key), "unknown key",
         nearest.empty() ? "A group has match, lr, weight_decay, betas, eps and frozen"
                         : "Did you mean " + nearest + "?");
}

OptimGroup read_group(const Row& row, const Setting& item) {
  if (item.node.kind != ConfigNode::Kind::kMap)
    refuse(item, row.key, "expects " + accepts(row), "As in [{match: [\"*.bias\"], weight_decay: 0}]");
  OptimGroup group;
  for (std::size_t i = 0; i < item.node.keys.size(); ++i) {
    const Value value = read_value(row_of(item, i), {item.node.items[i], item.node.key_at[i], item.origin});
    if (!std::holds_alternative<std::monostate>(value)) takes().at(item.node.keys[i])(group, value);
  }
  if (group.match.empty())
    refuse(item, row.key, "a group without match", "As in match: [\"*.bias\"], globs of parameter names");
  const bool has_numbers = group.lr || group.betas || group.eps || group.weight_decay;
  if (group.frozen && has_numbers)
    refuse(item, row.key, "numbers of a group that is frozen have no effect", "Leave them out, or frozen");
  if (!group.frozen && !has_numbers)
    refuse(item, row.key, "a group that says nothing of its parameters",
           "Give lr, weight_decay, betas, eps or frozen");
  return group;
}

}  // namespace

const std::vector<Row>& group_rows() {
  static const std::vector<Row> kRows = make_rows();
  return kRows;
}

JsonText read_groups(const Row& row, const Setting& setting) {
  std::vector<OptimGroup> groups;
  for (const ConfigNode& item : setting.node.items)
    groups.push_back(read_group(row, {item, item.at, setting.origin}));
  return {text_of_groups(groups)};
}

}  // namespace lockstep
