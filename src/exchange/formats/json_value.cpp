// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/json_value.h"

#include <cmath>
#include <limits>

namespace lockstep {

namespace {
using Json = nlohmann::ordered_json;

std::string key_text(const PyValue& key) {
  if (key.is_text()) return key.text;
  return key.is_int() ? std::to_string(key.integer) : "?";
}

}  // namespace

PyValue* value_of(const Json& json, ValuePool& pool) {
  switch (json.type()) {
    case Json::value_t::object: {
      PyValue* dict = pool.make(ValueKind::kDict);
      for (const auto& [name, item] : json.items()) put(*dict, pool.text(name), value_of(item, pool));
      return dict;
    }
    case Json::value_t::array: {
      PyValue* list = pool.make(ValueKind::kList);
      for (const Json& item : json) list->items.push_back(value_of(item, pool));
      return list;
    }
    case Json::value_t::string:
      return pool.text(json.get<std::string>());
    case Json::value_t::boolean:
      return pool.boolean(json.get<bool>());
    case Json::value_t::number_unsigned:
      if (json.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return pool.real(json.get<double>());
      return pool.integer(json.get<std::int64_t>());
    case Json::value_t::number_integer:
      return pool.integer(json.get<std::int64_t>());
    case Json::value_t::number_float:
      return pool.real(json.get<double>());
    default:
      return pool.make(ValueKind::kNone);
  }
}

Json json_of(const PyValue& value) {
  switch (value.kind) {
    case ValueKind::kBool:
      return value.integer != 0;
    case ValueKind::kInt:
      return value.integer;
    case ValueKind::kFloat:
      return std::isfinite(value.real) ? Json(value.real) : Json();
    case ValueKind::kText:
    case ValueKind::kDevice:
    case ValueKind::kDtype:
    case ValueKind::kGlobal:
      return value.text;
    case ValueKind::kBytes:
      return "<" + std::to_string(value.text.size()) + " bytes>";
    case ValueKind::kList:
    case ValueKind::kTuple: {
      Json list = Json::array();
      for (const PyValue* item : value.items) list.push_back(json_of(*item));
      return list;
    }
    case ValueKind::kDict:
    case ValueKind::kOrderedDict: {
      Json dict = Json::object();
      for (std::size_t i = 0; i < value.items.size(); i += 2)
        dict[key_text(*value.items[i])] = json_of(*value.items[i + 1]);
      return dict;
    }
    case ValueKind::kOpaque:
      return "<" + value.text + ">";
    case ValueKind::kTensor:
      return "<" + value.tensor->dtype + " tensor>";
    default:
      return nullptr;
  }
}

}  // namespace lockstep
