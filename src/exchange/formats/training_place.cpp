// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/training_place.h"

#include <cmath>
#include <vector>

#include "exchange/formats/optimizer_state.h"
#include "untrusted/refusal.h"

namespace lockstep {

namespace {

std::optional<std::int64_t> whole_number(const ForeignFile& file, const std::vector<std::string>& keys,
                                         const std::string& origin, std::string& found) {
  for (const std::string& key : keys) {
    const PyValue* value = file.root().find(key);
    if (value == nullptr || value->kind == ValueKind::kNone) continue;
    const double number = as_number(*value, file);
    // Beyond 2^53 a double skips numbers; no run gets there.
    if (!(std::abs(number) < 0x1p53) || number != std::floor(number))
      refuse_bytes(origin, "its " + key + " is no whole number",
                   "Name another key with --step-key or --epoch-key");
    found = key;
    return static_cast<std::int64_t>(number);
  }
  return std::nullopt;
}

std::optional<std::int64_t> asked_for(const ForeignFile& file, const std::string& key,
                                      const std::string& origin) {
  std::string found;
  const auto number = whole_number(file, {key}, origin, found);
  if (!number)
    refuse_bytes(origin, "it has nothing under " + key, "lockstep ckpt show FILE lists what it has");
  return number;
}

}  // namespace

TrainingPlace read_place(const ForeignFile& file, const PlaceKeys& keys, const std::string& origin) {
  TrainingPlace place;
  if (!keys.step.empty()) {
    place.step = asked_for(file, keys.step, origin);
    place.step_key = keys.step;
  }
  if (!keys.epoch.empty()) {
    place.epoch = asked_for(file, keys.epoch, origin);
    place.epoch_key = keys.epoch;
    return place;
  }
  if (!place.step)
    place.step = whole_number(file, {"step", "global_step", "iter_num"}, origin, place.step_key);
  const bool lightning = file.root().find("optimizer_states") != nullptr;
  std::string epoch_key;
  const auto epoch = whole_number(file, {"epoch"}, origin, epoch_key);
  if (lightning && !place.step && epoch)
    refuse_bytes(origin, "it has no global_step, and the epoch of such a file may be complete or not",
                 "If epoch " + std::to_string(*epoch) + " is complete: --epoch-key epoch");
  if (!lightning) place.epoch = epoch;
  place.epoch_key = epoch_key;
  return place;
}

}  // namespace lockstep
