// SPDX-License-Identifier: Apache-2.0
#include "config/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "config/scalar.h"

namespace lockstep {
namespace {

using Json = nlohmann::json;

struct ToJson {
  std::string operator()(std::monostate) const { return "null"; }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(std::uint64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return fmt::format("{}", value); }
  std::string operator()(const std::string& value) const { return Json(value).dump(); }
  std::string operator()(const JsonText& value) const { return value.text; }
  std::string operator()(const std::map<std::string, std::string>& value) const { return Json(value).dump(); }
  template <class T>
  std::string operator()(const std::vector<T>& values) const {
    std::string text = "[";
    for (const T& value : values) text += (text.size() > 1 ? ", " : "") + (*this)(value);
    return text + "]";
  }
};

// Letters, digits and what paths are made of, and nothing YAML reads as something else.
bool needs_no_quotes(const std::string& text) {
  if (text.empty() || text == "null" || text == "~" || read_bool(text) || looks_like_number(text))
    return false;
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-' || c == '.' || c == '/' || c == '+';
  };
  const unsigned char first = text.front();
  return (std::isalnum(first) || first == '_' || first == '.' || first == '/') && text != "Null" &&
         text != "NULL" && std::all_of(text.begin(), text.end(), plain);
}

Json scalar_json(const Setting& setting, const std::string& key, const ConfigNode& node) {
  // The same reading of plain words as for keys of the table, so that "no" is text here too.
  if (node.quoted) return node.text;
  if (const auto flag = read_bool(node.text)) return *flag;
  if (const auto number = read_int(node.text)) return *number;
  if (names_non_finite(node.text))
    refuse({node, {}, setting.origin}, key, "'" + node.text + "' is not a number");
  if (const auto number = read_real(node.text)) return *number;
  return node.text;
}

Json tree_json(const Setting& setting, const std::string& key, const ConfigNode& node) {
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      return nullptr;
    case ConfigNode::Kind::kScalar:
      return scalar_json(setting, key, node);
    case ConfigNode::Kind::kList: {
      Json list = Json::array();
      for (const ConfigNode& item : node.items) list.push_back(tree_json(setting, key, item));
      return list;
    }
    case ConfigNode::Kind::kMap: {
      Json map = Json::object();
      for (std::size_t i = 0; i < node.keys.size(); ++i)
        map[node.keys[i]] = tree_json(setting, key + "." + node.keys[i], node.items[i]);
      return map;
    }
  }
  return nullptr;
}

}  // namespace

std::string name_of(KeyKind kind) {
  switch (kind) {
    case KeyKind::kBool:
      return "true or false";
    case KeyKind::kInt:
    case KeyKind::kUint:
      return "a whole number";
    case KeyKind::kReal:
      return "a number";
    case KeyKind::kText:
      return "text";
    case KeyKind::kWord:
      return "a word";
    case KeyKind::kPath:
      return "a path";
    case KeyKind::kPaths:
      return "a path or a list of paths";
    case KeyKind::kIntList:
      return "a list of whole numbers";
    case KeyKind::kRealList:
      return "a list of numbers";
    case KeyKind::kTextList:
      return "a list of texts";
    case KeyKind::kMap:
      return "a map of names to plain values";
    case KeyKind::kJson:
      return "a map";
    case KeyKind::kGroups:
      return "a list of groups";
  }
  return "";
}

std::string json_text(const Value& value) {
  return std::visit(ToJson{}, value);
}

std::string print_value(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value))
    return needs_no_quotes(*text) ? *text : json_text(value);
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    std::string list = "[";
    for (const std::string& text : *texts) list += (list.size() > 1 ? ", " : "") + print_value(text);
    return list + "]";
  }
  return json_text(value);
}

std::string json_from_node(const Setting& setting, const std::string& key) {
  return tree_json(setting, key, setting.node).dump();
}

}  // namespace lockstep
