// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "base/enum_words.h"
#include "config/group_text.h"
#include "config/run_config.h"
#include "config/value.h"

namespace lockstep {

// What a resumed run may do with a key.
enum class OnResume {
  kFree,   // may differ; a difference is logged
  kFixed,  // must be what it was, unless resume.allow_changes names it
};

// Of a number, or of every item of a list of numbers.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;
  bool high_open = false;

  bool holds(double number) const;
  // ">= 1", "> 0 and < 1"; empty when every number fits.
  std::string text() const;
};

constexpr Range at_least(double low) {
  return {.low = low};
}
constexpr Range above(double low) {
  return {.low = low, .low_open = true};
}
constexpr Range between(double low, double high) {
  return {.low = low, .high = high};
}
// [0, 1)
constexpr Range fraction() {
  return {.low = 0, .high = 1, .high_open = true};
}

// Stands in Row::only_with for every type a program registered itself.
inline constexpr const char* kRegistered = "registered";

// One key of the config: everything there is to know about it. The parser, the docs page, the JSON Schema,
// the starter file and the resume check all read the same row.
struct Row {
  std::string key;
  KeyKind kind = KeyKind::kText;
  std::string text;  // one line
  std::string unit;  // of a number
  Range range;
  std::array<std::size_t, 2> items = {0, 1024};  // fewest and most items of a list
  std::vector<std::string> words;                // kWord: all; kPath: words that are no path
  OnResume on_resume = OnResume::kFixed;
  std::string governed_by;             // the type key that decides whether this one has an effect …
  std::vector<std::string> only_with;  // … and the types with which it has
  std::map<std::string, std::string> default_with;  // type → its own default
  std::string derived;                              // where the default comes from, if not from a number
  std::string example;                              // for the starter file, where there is no default
  std::function<void(RunConfig&, const Value&)> set;
  std::function<Value(const RunConfig&)> get;

  Row says(std::string line) && { return text = std::move(line), std::move(*this); }
  Row in(Range allowed, std::string of = "") && {
    return range = allowed, unit = std::move(of), std::move(*this);
  }
  Row counts(std::size_t fewest, std::size_t most) && { return items = {fewest, most}, std::move(*this); }
  Row one_of(std::vector<std::string> all) && {
    return words = std::move(all), kind = kind == KeyKind::kText ? KeyKind::kWord : kind, std::move(*this);
  }
  Row as(KeyKind other) && { return kind = other, std::move(*this); }
  Row may_change() && { return on_resume = OnResume::kFree, std::move(*this); }
  Row only(std::string type_key, std::vector<std::string> types) && {
    return governed_by = std::move(type_key), only_with = std::move(types), std::move(*this);
  }
  Row with_default(std::string type, std::string value) && {
    return default_with[type] = std::move(value), std::move(*this);
  }
  Row derived_from(std::string what) && { return derived = std::move(what), std::move(*this); }
  Row such_as(std::string value) && { return example = std::move(value), std::move(*this); }
  // 0 stands for "not set" and is printed as null.
  Row zero_is_unset() &&;
};

namespace binding {

template <class T>
constexpr KeyKind kind_of() {
  if constexpr (std::is_same_v<T, bool>)
    return KeyKind::kBool;
  else if constexpr (std::is_same_v<T, std::uint64_t>)
    return KeyKind::kUint;
  else if constexpr (std::is_integral_v<T> || std::is_same_v<T, std::optional<std::int64_t>>)
    return KeyKind::kInt;
  else if constexpr (std::is_floating_point_v<T>)
    return KeyKind::kReal;
  else if constexpr (std::is_same_v<T, std::vector<std::int64_t>>)
    return KeyKind::kIntList;
  else if constexpr (std::is_same_v<T, std::vector<std::string>>)
    return KeyKind::kTextList;
  else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>)
    return KeyKind::kMap;
  else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, LossKind> || HasWords<T>)
    return KeyKind::kText;
  else if constexpr (std::is_same_v<T, std::vector<OptimGroup>>)
    return KeyKind::kGroups;
  else
    return KeyKind::kRealList;
}

std::string name_of_loss(LossKind loss);
LossKind loss_from_name(const std::string& name);

template <class T>
Value to_value(const T& member) {
  if constexpr (std::is_same_v<T, int>)
    return static_cast<std::int64_t>(member);
  else if constexpr (std::is_same_v<T, LossKind>)
    return name_of_loss(member);
  else if constexpr (HasWords<T>)
    return word_of(member);
  else if constexpr (std::is_same_v<T, std::array<double, 2>>)
    return std::vector<double>(member.begin(), member.end());
  else if constexpr (std::is_same_v<T, std::string>)
    return member.empty() ? Value{} : Value{member};
  else if constexpr (std::is_same_v<T, std::optional<std::int64_t>>)
    return member ? Value{*member} : Value{};
  else if constexpr (std::is_same_v<T, std::vector<OptimGroup>>)
    return JsonText{text_of_groups(member)};
  else
    return member;
}

// `value` has been checked against the row: it holds the alternative that belongs to T.
template <class T>
void from_value(T& member, const Value& value) {
  if (const auto* json = std::get_if<JsonText>(&value)) {
    if constexpr (std::is_same_v<T, std::string>) member = json->text;
    if constexpr (std::is_same_v<T, std::vector<OptimGroup>>) member = groups_from_text(json->text);
  } else if constexpr (std::is_same_v<T, int>) {
    member = static_cast<int>(std::get<std::int64_t>(value));
  } else if constexpr (std::is_same_v<T, std::optional<std::int64_t>>) {
    member = std::get<std::int64_t>(value);
  } else if constexpr (std::is_same_v<T, LossKind>) {
    member = loss_from_name(std::get<std::string>(value));
  } else if constexpr (HasWords<T>) {
    member = from_word<T>(std::get<std::string>(value)).value();
  } else if constexpr (std::is_same_v<T, std::array<double, 2>>) {
    const auto& list = std::get<std::vector<double>>(value);
    member = {list.at(0), list.at(1)};
  } else if constexpr (!std::is_same_v<T, std::vector<OptimGroup>>) {
    member = std::get<T>(value);
  }
}

template <class Reach>
Row bind(std::string key, Reach reach) {
  using T = std::remove_cvref_t<decltype(reach(std::declval<RunConfig&>()))>;
  Row row;
  row.key = std::move(key);
  row.kind = kind_of<T>();
  row.set = [reach](RunConfig& config, const Value& value) {
    T& member = reach(config);
    if (std::holds_alternative<std::monostate>(value)) {
      RunConfig fresh;
      member = reach(fresh);
    } else {
      from_value(member, value);
    }
  };
  // reach() only returns a reference; the const_cast saves a second lambda per row and nothing is written
  // through it.
  row.get = [reach](const RunConfig& config) { return to_value<T>(reach(const_cast<RunConfig&>(config))); };
  return row;
}

}  // namespace binding

// A row bound to RunConfig::section.member (or .section.part.member); the default is what the options struct
// starts with.
template <class Section, class T>
Row row(std::string key, Section RunConfig::*section, T Section::*member) {
  return binding::bind(std::move(key),
                       [section, member](RunConfig& config) -> T& { return config.*section.*member; });
}

template <class Section, class Part, class T>
Row row(std::string key, Section RunConfig::*section, Part Section::*part, T Part::*member) {
  return binding::bind(std::move(key), [section, part, member](RunConfig& config) -> T& {
    return config.*section.*part.*member;
  });
}

}  // namespace lockstep
