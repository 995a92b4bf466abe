// SPDX-License-Identifier: Apache-2.0
#include "config/effective.h"

#include <nlohmann/json.hpp>

#include "config/schema.h"
#include "config/secrets.h"

namespace lockstep {
namespace {

struct Entry {
  const Row& row;
  Value value;
};

Value masked(const Row& row, Value value, Secrets secrets) {
  if (secrets == Secrets::kWrite) return value;
  if (row.kind == KeyKind::kMap || row.kind == KeyKind::kJson)
    return JsonText{mask_secrets(json_text(value))};
  return value;
}

// config.flat tells which keys apply, so registered types need not be known here.
std::vector<Entry> entries(const Schema& schema, const RunConfig& config, Secrets secrets) {
  std::vector<Entry> all;
  for (const Row& row : schema.rows())
    if (config.flat.count(row.key) != 0) all.push_back({row, masked(row, value_of(row, config), secrets)});
  return all;
}

std::vector<std::string> words_of(const std::string& key) {
  std::vector<std::string> words;
  std::size_t start = 0;
  for (auto dot = key.find('.'); dot != std::string::npos; dot = key.find('.', start)) {
    words.push_back(key.substr(start, dot - start));
    start = dot + 1;
  }
  words.push_back(key.substr(start));
  return words;
}

}  // namespace

std::string effective_yaml(const RunConfig& config, Secrets secrets) {
  const Schema schema;
  std::string text;
  std::vector<std::string> open;
  for (const Entry& entry : entries(schema, config, secrets)) {
    std::vector<std::string> words = words_of(entry.row.key);
    const std::string leaf = words.back();
    words.pop_back();
    // Rows of one section stand together, so a section opens once.
    std::size_t shared = 0;
    while (shared < words.size() && shared < open.size() && words[shared] == open[shared]) ++shared;
    for (std::size_t depth = shared; depth < words.size(); ++depth)
      text += std::string(2 * depth, ' ') + words[depth] + ":\n";
    open = words;
    text += std::string(2 * words.size(), ' ') + leaf + ": " + print_value(entry.value) + "\n";
  }
  return text;
}

std::string effective_json(const RunConfig& config, Secrets secrets) {
  const Schema schema;
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const Entry& entry : entries(schema, config, secrets)) {
    nlohmann::ordered_json* at = &json;
    for (const std::string& word : words_of(entry.row.key)) at = &(*at)[word];
    *at = nlohmann::ordered_json::parse(json_text(entry.value));
  }
  return json.dump(2);
}

std::string lines_without_paths(const RunConfig& config) {
  const Schema schema;
  std::string text;
  for (const Entry& entry : entries(schema, config, Secrets::kMask))
    if (!holds_paths(entry.row, config)) text += entry.row.key + ": " + print_value(entry.value) + "\n";
  return text;
}

}  // namespace lockstep
