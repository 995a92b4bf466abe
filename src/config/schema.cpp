// SPDX-License-Identifier: Apache-2.0
#include "config/schema.h"

#include <algorithm>
#include <iterator>

#include "config/nearest.h"
#include "config/rows.h"

namespace lockstep {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// A registered name is a word like the built-in ones, in messages and the JSON Schema too. A registry lists
// the built-in ones as well; those are no strangers, and keep to their own keys.
void add_registered(std::vector<std::string>& words, std::vector<std::string>& registered) {
  std::erase_if(registered, [&](const std::string& name) { return contains(words, name); });
  words.insert(words.end(), registered.begin(), registered.end());
}

}  // namespace

Schema::Schema(ExtraTypes extra) : extra_(std::move(extra)) {
  for (auto& section :
       {run_rows(), model_rows(), data_file_rows(), data_content_rows(), train_rows(), optim_rows(),
        schedule_rows(), number_rows(), dist_rows(), memory_rows(), checkpoint_rows(), run_life_rows()})
    rows_.insert(rows_.end(), section.begin(), section.end());
  for (Row& row : rows_) {
    if (row.key == "model.type") add_registered(row.words, extra_.models);
    if (row.key == "data.type") add_registered(row.words, extra_.datasets);
    if (row.key == "optim.type") add_registered(row.words, extra_.optimizers);
    if (row.key == "schedule.type") add_registered(row.words, extra_.schedules);
  }
}

const Row* Schema::find(const std::string& key) const {
  const auto found = std::find_if(rows_.begin(), rows_.end(), [&](const Row& row) { return row.key == key; });
  return found == rows_.end() ? nullptr : &*found;
}

bool Schema::is_section(const std::string& key) const {
  return std::any_of(rows_.begin(), rows_.end(),
                     [&](const Row& row) { return row.key.starts_with(key + "."); });
}

bool Schema::is_registered(const std::string& type_key, const RunConfig& config) const {
  if (type_key == "model.type") return contains(extra_.models, config.model.type);
  if (type_key == "optim.type") return contains(extra_.optimizers, config.optim.type);
  if (type_key == "schedule.type") return contains(extra_.schedules, config.schedule.type);
  return type_key == "data.type" && contains(extra_.datasets, config.data.type);
}

bool Schema::applies(const Row& row, const RunConfig& config) const {
  if (row.governed_by.empty()) return true;
  if (contains(row.only_with, word_in(*find(row.governed_by), config))) return true;
  return contains(row.only_with, kRegistered) && is_registered(row.governed_by, config);
}

std::string Schema::nearest(const std::string& key) const {
  std::vector<std::string> keys;
  for (const Row& row : rows_) {
    keys.push_back(row.key);
    for (auto dot = row.key.find('.'); dot != std::string::npos; dot = row.key.find('.', dot + 1))
      keys.push_back(row.key.substr(0, dot));
  }
  return nearest_key(key, keys);
}

std::string word_in(const Row& row, const RunConfig& config) {
  const Value value = row.get(config);
  const auto* word = std::get_if<std::string>(&value);
  return word ? *word : "";
}

bool holds_paths(const Row& row, const RunConfig& config) {
  if (row.kind == KeyKind::kPath || row.kind == KeyKind::kPaths) return true;
  const bool part = row.key.ends_with(".inputs") || row.key.ends_with(".labels");
  return part && row.key.starts_with("data.") && config.data.type == "idx";
}

std::string default_text(const Row& row) {
  if (!row.derived.empty()) return "null";
  return print_value(value_of(row, RunConfig{}));
}

Value value_of(const Row& row, const RunConfig& config) {
  const Value value = row.get(config);
  const auto* text = std::get_if<std::string>(&value);
  return row.kind == KeyKind::kJson && text ? Value{JsonText{*text}} : value;
}

}  // namespace lockstep
