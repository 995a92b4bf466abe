// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "config/group_rows.h"
#include "config/schema_print.h"

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

Json bound(double number, KeyKind kind) {
  const bool whole = kind == KeyKind::kInt || kind == KeyKind::kIntList;
  return whole ? Json(static_cast<std::int64_t>(number)) : Json(number);
}

void add_range(const Row& row, Json& number) {
  const Range& range = row.range;
  if (std::isfinite(range.low))
    number[range.low_open ? "exclusiveMinimum" : "minimum"] = bound(range.low, row.kind);
  if (std::isfinite(range.high))
    number[range.high_open ? "exclusiveMaximum" : "maximum"] = bound(range.high, row.kind);
}

Json scalar(const char* type, const Row& row) {
  Json json{{"type", type}};
  if (row.kind != KeyKind::kText && row.kind != KeyKind::kTextList) add_range(row, json);
  return json;
}

Json list(const char* type, const Row& row) {
  return {{"type", "array"},
          {"items", scalar(type, row)},
          {"minItems", row.items[0]},
          {"maxItems", row.items[1]}};
}

Json groups(const Row& row);

Json type_of(const Row& row) {
  switch (row.kind) {
    case KeyKind::kBool:
      return {{"type", "boolean"}};
    case KeyKind::kInt:
      return scalar("integer", row);
    case KeyKind::kUint:
      return {{"type", "integer"}, {"minimum", 0}};
    case KeyKind::kReal:
      return scalar("number", row);
    case KeyKind::kText:
    case KeyKind::kPath:
      return {{"type", "string"}};
    case KeyKind::kWord:
      return {{"enum", row.words}};
    case KeyKind::kPaths:
      return {{"anyOf", Json::array({Json{{"type", "string"}}, list("string", row)})}};
    case KeyKind::kIntList:
      return list("integer", row);
    case KeyKind::kRealList:
      return list("number", row);
    case KeyKind::kTextList:
      return list("string", row);
    case KeyKind::kMap:
    case KeyKind::kJson:
      return {{"type", "object"}};
    case KeyKind::kGroups:
      return groups(row);
  }
  return {};
}

Json closed_object() {
  return {{"type", "object"}, {"additionalProperties", false}, {"properties", Json::object()}};
}

Json groups(const Row& row) {
  Json item = closed_object();
  for (const Row& own : group_rows())
    item["properties"][own.key.substr(own.key.rfind('.') + 1)]["anyOf"] =
        Json::array({type_of(own), Json{{"type", "null"}}});
  item["required"] = Json::array({"match"});
  return {{"type", "array"}, {"items", item}, {"maxItems", row.items[1]}};
}

std::string description(const Row& row) {
  std::string text = row.text;
  if (!row.unit.empty()) text += " In " + row.unit + ".";
  if (!row.only_with.empty())
    text += fmt::format(" Only with {}: {}.", row.governed_by, fmt::join(row.only_with, ", "));
  return text + (row.on_resume == OnResume::kFree ? " May change on resume." : " Fixed on resume.");
}

Json property(const Row& row) {
  Json json{{"description", description(row)}};
  // null is accepted everywhere: it takes the default.
  json["anyOf"] = Json::array({type_of(row), Json{{"type", "null"}}});
  if (row.derived.empty()) json["default"] = Json::parse(json_text(value_of(row, RunConfig{})));
  return json;
}

}  // namespace

std::string schema_json(const Schema& schema) {
  Json root = closed_object();
  for (const Row& row : schema.rows()) {
    Json* object = &root;
    std::string rest = row.key;
    for (auto dot = rest.find('.'); dot != std::string::npos; dot = rest.find('.')) {
      Json& member = (*object)["properties"][rest.substr(0, dot)];
      if (member.is_null()) member = closed_object();
      object = &member;
      rest = rest.substr(dot + 1);
    }
    (*object)["properties"][rest] = property(row);
  }
  Json whole{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "Lockstep run config"}};
  whole.update(root);
  return whole.dump(2) + "\n";
}

}  // namespace lockstep
