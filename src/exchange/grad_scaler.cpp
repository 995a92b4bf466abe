// SPDX-License-Identifier: Apache-2.0
#include "exchange/grad_scaler.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "exchange/formats/optimizer_state.h"
#include "untrusted/refusal.h"

namespace lockstep {
namespace {

// torch's own keys.
const char* const kScale = "scale";
const char* const kGrowthFactor = "growth_factor";
const char* const kBackoffFactor = "backoff_factor";
const char* const kGrowthInterval = "growth_interval";
const char* const kGrowthTracker = "_growth_tracker";

}  // namespace

PyValue* python_scaler(const GradScaler& scaler, ValuePool& pool) {
  PyValue* dict = pool.make(ValueKind::kDict);
  put(*dict, pool.text(kScale), pool.real(scaler.scale));
  put(*dict, pool.text(kGrowthFactor), pool.real(scaler.growth_factor));
  put(*dict, pool.text(kBackoffFactor), pool.real(scaler.backoff_factor));
  put(*dict, pool.text(kGrowthInterval), pool.integer(scaler.growth_interval));
  put(*dict, pool.text(kGrowthTracker), pool.integer(scaler.growth_tracker));
  return dict;
}

std::optional<GradScaler> scaler_of(const std::string& extra) {
  const auto json = nlohmann::json::parse(extra, nullptr, /*allow_exceptions=*/false);
  const auto member = json.is_object() ? json.find(kLossScaler) : json.end();
  if (member == json.end() || !member->is_object()) return std::nullopt;
  const auto scale = member->find("scale");
  const auto good_steps = member->find("good_steps");
  if (scale == member->end() || !scale->is_number()) return std::nullopt;
  GradScaler scaler;
  scaler.scale = scale->get<double>();
  if (good_steps != member->end() && good_steps->is_number())
    scaler.growth_tracker = good_steps->get<std::int64_t>();
  return scaler;
}

bool is_python_scaler(const PyValue& value) {
  for (const char* key : {kScale, kGrowthFactor, kBackoffFactor, kGrowthInterval, kGrowthTracker})
    if (value.find(key) == nullptr) return false;
  return true;
}

GradScaler read_python_scaler(const PyValue& value, const ForeignFile& file, const std::string& origin) {
  GradScaler scaler;
  scaler.scale = as_number(*value.find(kScale), file);
  scaler.growth_factor = as_number(*value.find(kGrowthFactor), file);
  scaler.backoff_factor = as_number(*value.find(kBackoffFactor), file);
  const double interval = as_number(*value.find(kGrowthInterval), file);
  const double tracker = as_number(*value.find(kGrowthTracker), file);
  // GradScaler's own is a float32.
  if (!(scaler.scale > 0 && scaler.scale <= std::numeric_limits<float>::max()))
    refuse_bytes(origin, "its GradScaler has a scale that is no positive number");
  for (const double count : {interval, tracker})
    if (!(count >= 0 && count < 0x1p53) || count != std::floor(count))
      refuse_bytes(origin, "its GradScaler counts steps that are no whole number");
  scaler.growth_interval = static_cast<std::int64_t>(interval);
  scaler.growth_tracker = static_cast<std::int64_t>(tracker);
  return scaler;
}

}  // namespace lockstep
