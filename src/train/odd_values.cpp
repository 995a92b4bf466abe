// SPDX-License-Identifier: Apache-2.0
#include "train/odd_values.h"

#include <fmt/format.h>

#include <cmath>

#include "comm/agree.h"
#include "train/user_code.h"

namespace lockstep {

double without_sign(double value) {
  return std::isnan(value) ? std::fabs(value) : value;
}

bool all_finite(const torch::Tensor& values) {
  return !values.is_floating_point() || torch::isfinite(values).all().item<bool>();
}

std::string first_odd_value(const torch::Tensor& values) {
  const torch::Tensor flat = values.flatten();
  const auto at = torch::isfinite(flat).logical_not().nonzero()[0][0].item<std::int64_t>();
  return fmt::format("value {} of {} is {}", at, flat.numel(), without_sign(flat[at].item<double>()));
}

std::optional<std::string> odd_sample(const GivenSample& sample) {
  for (const auto& [name, tensor] : sample.batch.tensors())
    if (const torch::Tensor values = tensor[sample.slot]; !all_finite(values))
      return fmt::format("the {} of {} is not finite: {}", name, places_of(sample.data, {sample.index}),
                         first_odd_value(values));
  return std::nullopt;
}

std::string text_of_first(World& world, const std::string& mine) {
  std::string first;
  for (const std::string& one : gather_on_root(world, mine))
    if (first.empty()) first = one;
  return agree_on_root(world, first).value;
}

}  // namespace lockstep
