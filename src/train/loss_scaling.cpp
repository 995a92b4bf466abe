// SPDX-License-Identifier: Apache-2.0
#include "train/loss_scaling.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "exchange/grad_scaler.h"

namespace lockstep {

bool LossScaling::has_overflowed(const StepRecord& record) const {
  return is_on_ && std::isfinite(record.loss) && !std::isfinite(record.grad_norm) && scaler_.scale() >= 1;
}

void LossScaling::updated() {
  if (is_on_) scaler_.count(/*finite=*/true);
}

StepRecord LossScaling::overflowed(StepRecord record, Reporter& reporter) {
  const double scale = scaler_.scale();
  scaler_.count(/*finite=*/false);
  reporter.event("overflow_skipped", {{"step", std::to_string(record.step.value)},
                                      {"loss_scale", fmt::format("{}", scale)},
                                      {"lowered_to", fmt::format("{}", scaler_.scale())},
                                      {"overflows", std::to_string(scaler_.overflows())}});
  record.train_metrics["overflows"] = static_cast<double>(scaler_.overflows());
  return record;
}

void LossScaling::describe(StepRecord& record) const {
  if (!is_on_) return;
  record.train_metrics["loss_scale"] = scaler_.scale();
  record.train_metrics["overflows"] = static_cast<double>(scaler_.overflows());
}

std::string LossScaling::add_to(const std::string& extra) const {
  if (!is_on_) return extra;
  auto json = nlohmann::json::parse(extra);
  json[kLossScaler] = {
      {"scale", scaler_.scale()}, {"good_steps", scaler_.good_steps()}, {"overflows", scaler_.overflows()}};
  return json.dump();
}

void LossScaling::go_on_from(const std::string& extra) {
  scaler_ = LossScaler();
  const auto json = nlohmann::json::parse(extra, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains(kLossScaler) || !json[kLossScaler].is_object()) return;
  const auto number = [&state = json[kLossScaler]](const char* name, double otherwise) {
    const auto found = state.find(name);
    return found != state.end() && found->is_number() ? found->get<double>() : otherwise;
  };
  const double scale = number("scale", 0);
  if (!std::isfinite(scale) || scale <= 0) return;
  scaler_.restore(scale, static_cast<std::int64_t>(number("good_steps", 0)),
                  static_cast<std::int64_t>(number("overflows", 0)));
}

}  // namespace lockstep
