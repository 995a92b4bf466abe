// SPDX-License-Identifier: Apache-2.0
#include "config/secrets.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

void mask_members(nlohmann::json& value) {
  if (value.is_array())
    for (auto& item : value) mask_members(item);
  if (!value.is_object()) return;
  for (auto& [name, member] : value.items()) {
    if (is_secret(name))
      member = kMasked;
    else
      mask_members(member);
  }
}

}  // namespace

bool is_secret(const std::string& name) {
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  constexpr std::array<const char*, 3> kWords = {"token", "secret", "password"};
  return std::any_of(kWords.begin(), kWords.end(), [&](const std::string& word) {
    for (auto at = lower.find(word); at != std::string::npos; at = lower.find(word, at + 1)) {
      // max_tokens is a count, and the commonest name in this trade.
      const bool plural_count = word == "token" && lower.compare(at, 6, "tokens") == 0;
      if (!plural_count) return true;
    }
    return false;
  });
}

std::string mask_secrets(const std::string& json) {
  auto value = nlohmann::json::parse(json);
  mask_members(value);
  return value.dump();
}

}  // namespace lockstep
