// SPDX-License-Identifier: Apache-2.0
#include "config/read_value.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "config/group_rows.h"
#include "config/scalar.h"
#include "config/secrets.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

// A message must not repeat a megabyte of value.
constexpr std::size_t kLongestShown = 60;
constexpr std::size_t kLongestText = 4096;

std::string found(const Row& row, const ConfigNode& node) {
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      return "null";
    case ConfigNode::Kind::kList:
      return fmt::format("a list of {}", node.items.size());
    case ConfigNode::Kind::kMap:
      return "a map";
    case ConfigNode::Kind::kScalar:
      break;
  }
  // The message may end in a log that others read.
  if (is_secret(row.key)) return kMasked;
  const std::string shown =
      node.text.substr(0, kLongestShown) + (node.text.size() > kLongestShown ? "…" : "");
  return node.quoted ? "the text \"" + printable(shown) + "\"" : "'" + printable(shown) + "'";
}

[[noreturn]] void refuse_value(const Row& row, const Setting& setting, const ConfigNode& node,
                               const std::string& remedy = "") {
  const Setting here{node, setting.key_at, setting.origin};
  refuse(here, row.key, "expects " + accepts(row) + ", found " + found(row, node), remedy);
}

// Quotes say "this is text", so a quoted number is a mistake worth naming.
const std::string& plain_scalar(const Row& row, const Setting& setting, const ConfigNode& node) {
  if (node.kind != ConfigNode::Kind::kScalar) refuse_value(row, setting, node);
  if (node.quoted) refuse_value(row, setting, node, "Write it without quotes");
  return node.text;
}

template <class Number>
Number number_in(const Row& row, const Setting& setting, const ConfigNode& node,
                 std::optional<Number> (*read)(const std::string&)) {
  const std::string& text = plain_scalar(row, setting, node);
  const std::optional<Number> number = read(text);
  if (!number && names_non_finite(text))
    refuse_value(row, setting, node, "NaN and infinity are not accepted");
  if (!number && looks_like_number(text))
    refuse_value(row, setting, node, "Write it in decimal, within the range of its type");
  const bool in_range =
      number && (row.range.holds(static_cast<double>(*number)) || fault_requested("guard.skip_range"));
  if (!in_range) refuse_value(row, setting, node);
  return *number;
}

bool bool_in(const Row& row, const Setting& setting) {
  const auto flag = read_bool(plain_scalar(row, setting, setting.node));
  if (!flag) refuse_value(row, setting, setting.node, "Only the words true and false are truth values");
  return *flag;
}

// Plain words such as no, 3 or true are text where text is expected: nothing is gained by asking for quotes.
std::string text_in(const Row& row, const Setting& setting, const ConfigNode& node) {
  if (node.kind != ConfigNode::Kind::kScalar || node.text.empty()) refuse_value(row, setting, node);
  if (node.text.size() > kLongestText)
    refuse({node, {}, setting.origin}, row.key, fmt::format("text of {} bytes", node.text.size()),
           fmt::format("At most {} are accepted", kLongestText));
  if (node.text.find_first_of(std::string("\0\n\r\t", 4)) != std::string::npos)
    refuse({node, {}, setting.origin}, row.key, "text over several lines or with control bytes",
           "Write one line");
  return node.text;
}

std::string word_from(const Row& row, const Setting& setting) {
  const std::string word = text_in(row, setting, setting.node);
  if (std::find(row.words.begin(), row.words.end(), word) == row.words.end())
    refuse_value(row, setting, setting.node);
  return word;
}

template <class Read>
auto list_in(const Row& row, const Setting& setting, Read read) {
  const ConfigNode& node = setting.node;
  if (node.kind != ConfigNode::Kind::kList) refuse_value(row, setting, node);
  if (node.items.size() < row.items[0] || node.items.size() > row.items[1]) refuse_value(row, setting, node);
  std::vector<decltype(read(node))> list;
  for (const ConfigNode& item : node.items) list.push_back(read(item));
  return list;
}

std::map<std::string, std::string> map_in(const Row& row, const Setting& setting) {
  const ConfigNode& node = setting.node;
  if (node.kind != ConfigNode::Kind::kMap) refuse_value(row, setting, node);
  std::map<std::string, std::string> map;
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    if (node.items[i].kind != ConfigNode::Kind::kScalar) refuse_value(row, setting, node.items[i]);
    map[node.keys[i]] = node.items[i].text;
  }
  return map;
}

}  // namespace

std::string accepts(const Row& row) {
  if (row.kind == KeyKind::kWord) return fmt::format("one of {}", fmt::join(row.words, ", "));
  if (!row.words.empty()) return fmt::format("{} or {}", fmt::join(row.words, ", "), name_of(row.kind));
  const bool exactly = row.items[0] == row.items[1];
  std::string text =
      exactly ? fmt::format("{} of {} items", name_of(row.kind), row.items[0]) : name_of(row.kind);
  const std::string range = row.range.text();
  const bool is_list = row.kind == KeyKind::kIntList || row.kind == KeyKind::kRealList;
  if (!range.empty()) text += (is_list ? ", each " : " ") + range;
  if (is_list && !exactly) text += fmt::format(", at most {} items", row.items[1]);
  return text;
}

Value read_value(const Row& row, const Setting& setting) {
  const ConfigNode& node = setting.node;
  if (node.kind == ConfigNode::Kind::kNull) return {};
  const auto text = [&](const ConfigNode& item) { return text_in(row, setting, item); };
  switch (row.kind) {
    case KeyKind::kBool:
      return bool_in(row, setting);
    case KeyKind::kInt:
      return number_in<std::int64_t>(row, setting, node, read_int);
    case KeyKind::kUint:
      return number_in<std::uint64_t>(row, setting, node, read_uint);
    case KeyKind::kReal:
      return number_in<double>(row, setting, node, read_real);
    case KeyKind::kText:
    case KeyKind::kPath:
      return text(node);
    case KeyKind::kWord:
      return word_from(row, setting);
    case KeyKind::kPaths:
      if (node.kind == ConfigNode::Kind::kScalar) return std::vector<std::string>{text(node)};
      return list_in(row, setting, text);
    case KeyKind::kTextList:
      return list_in(row, setting, text);
    case KeyKind::kIntList:
      return list_in(row, setting, [&](const ConfigNode& item) {
        return number_in<std::int64_t>(row, setting, item, read_int);
      });
    case KeyKind::kRealList:
      return list_in(row, setting, [&](const ConfigNode& item) {
        return number_in<double>(row, setting, item, read_real);
      });
    case KeyKind::kMap:
      return map_in(row, setting);
    case KeyKind::kJson:
      if (node.kind != ConfigNode::Kind::kMap) refuse_value(row, setting, node);
      return JsonText{json_from_node(setting, row.key)};
    case KeyKind::kGroups:
      list_in(row, setting, [](const ConfigNode&) { return 0; });
      return read_groups(row, setting);
  }
  return {};
}

}  // namespace lockstep
