// SPDX-License-Identifier: Apache-2.0
#include "train/checked_step.h"

#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

const char* const kMember = "model_check";

}  // namespace

std::string extra_with_check(std::optional<Step> checked) {
  return checked ? nlohmann::json{{kMember, {{"step", checked->value}}}}.dump() : "{}";
}

std::optional<Step> checked_step(const std::string& extra) {
  const auto json = nlohmann::json::parse(extra, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains(kMember)) return std::nullopt;
  const auto& member = json[kMember];
  const bool has = member.is_object() && member.contains("step") && member["step"].is_number_integer();
  return has ? std::optional(Step(member["step"].get<std::int64_t>())) : std::nullopt;
}

}  // namespace lockstep
