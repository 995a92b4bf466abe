// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "config/node.h"

namespace lockstep {

// What a key holds.
enum class KeyKind {
  kBool,
  kInt,
  kUint,
  kReal,
  kText,
  kWord,   // one of a few
  kPath,   // relative to the file that names it
  kPaths,  // one or several
  kIntList,
  kRealList,
  kTextList,
  kMap,     // names to text, for registered types
  kJson,    // free map, kept as JSON text
  kGroups,  // a list of maps: optim.groups
};

// "a whole number", …: how messages and the docs call it.
std::string name_of(KeyKind kind);

// Free-form data as JSON text; a type of its own so that it is never quoted like a string.
struct JsonText {
  std::string text;
  bool operator==(const JsonText&) const = default;
};

// monostate: not set (null).
using Value = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string,
                           std::vector<std::int64_t>, std::vector<double>, std::vector<std::string>,
                           std::map<std::string, std::string>, JsonText>;

// Canonical JSON: numbers in the shortest form that reads back equal, members sorted.
std::string json_text(const Value& value);

// As in a config: like json_text, but words that need no quotes stand without.
std::string print_value(const Value& value);

// Local. What a map in a config says, as JSON text. Throws Fault (78) with its place for numbers that are not
// finite.
std::string json_from_node(const Setting& setting, const std::string& key);

}  // namespace lockstep
