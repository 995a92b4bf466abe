// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/read_value.h"
#include "config/schema_print.h"

namespace lockstep {
namespace {

constexpr std::size_t kCommentColumn = 40;

// Written out only where it says something and has an effect beside the other lines.
bool is_active(const Schema& schema, const Row& row) {
  const bool has_value = row.derived.empty() && (default_text(row) != "null" || !row.example.empty());
  const bool needs_company = row.key.starts_with("checkpoint.keep_best.");
  RunConfig starter;
  starter.data.type = schema.find("data.type")->example;
  return has_value && !needs_company && schema.applies(row, starter);
}

std::string line(const Schema& schema, const Row& row, std::size_t depth) {
  const std::string leaf = row.key.substr(row.key.rfind('.') + 1);
  const std::string value = row.example.empty() ? default_text(row) : row.example;
  std::string text = std::string(2 * depth, ' ') + (is_active(schema, row) ? "" : "# ") + leaf + ": " + value;
  if (text.size() < kCommentColumn) text.resize(kCommentColumn, ' ');
  text += "  # " + row.text;
  if (!row.words.empty()) text += fmt::format(" [{}]", fmt::join(row.words, "|"));
  if (!row.only_with.empty())
    text += fmt::format(" Only with {}: {}.", row.governed_by, fmt::join(row.only_with, ", "));
  return text + "\n";
}

}  // namespace

std::string starter_yaml(const Schema& schema) {
  std::string text = "# A run of Lockstep: an mlp on made-up data. docs/config.md has all keys.\n";
  std::vector<std::string> open;
  for (const Row& row : schema.rows()) {
    std::vector<std::string> path;
    for (auto dot = row.key.find('.'); dot != std::string::npos; dot = row.key.find('.', dot + 1))
      path.push_back(row.key.substr(0, dot));
    for (std::size_t depth = 0; depth < path.size(); ++depth)
      if (depth >= open.size() || open[depth] != path[depth])
        text += (depth == 0 ? "\n" : std::string(2 * depth, ' ')) +
                path[depth].substr(path[depth].rfind('.') + 1) + ":\n";
    open = path;
    text += line(schema, row, path.size());
  }
  return text;
}

}  // namespace lockstep
