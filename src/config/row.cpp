// SPDX-License-Identifier: Apache-2.0
#include "config/row.h"

#include <fmt/format.h>

#include <cmath>

namespace lockstep {

namespace {

// 1e15 rather than sixteen digits.
std::string short_number(double number) {
  const double power = std::round(std::log10(number));
  if (number >= 1e6 && std::pow(10.0, power) == number) return fmt::format("1e{}", power);
  return fmt::format("{}", number);
}

}  // namespace

bool Range::holds(double number) const {
  if (!(low_open ? number > low : number >= low)) return false;
  return high_open ? number < high : number <= high;
}

std::string Range::text() const {
  std::string text;
  if (std::isfinite(low)) text = fmt::format("{} {}", low_open ? ">" : ">=", short_number(low));
  if (std::isfinite(high)) {
    if (!text.empty()) text += " and ";
    text += fmt::format("{} {}", high_open ? "<" : "<=", short_number(high));
  }
  return text;
}

Row Row::zero_is_unset() && {
  get = [inner = std::move(get)](const RunConfig& config) {
    const Value value = inner(config);
    return value == Value{std::int64_t{0}} || value == Value{0.0} ? Value{} : value;
  };
  return std::move(*this);
}

namespace binding {

std::string name_of_loss(LossKind loss) {
  if (loss == LossKind::kCrossEntropy) return "cross_entropy";
  return loss == LossKind::kMse ? "mse" : "auto";
}

LossKind loss_from_name(const std::string& name) {
  if (name == "cross_entropy") return LossKind::kCrossEntropy;
  return name == "mse" ? LossKind::kMse : LossKind::kAuto;
}

}  // namespace binding
}  // namespace lockstep
