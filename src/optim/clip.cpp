// SPDX-License-Identifier: Apache-2.0
#include "optim/clip.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "lockstep/base/error.h"
#include "tensors/in_parallel.h"

namespace lockstep {
namespace {

constexpr std::int64_t kLanes = 8;

// Independent lanes let the compiler use vector registers without changing the order of the sum.
template <class Number>
double squares(const Number* values, std::int64_t count) {
  std::array<double, kLanes> lanes{};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      const auto value = static_cast<double>(values[i + lane]);
      lanes[lane] += value * value;
    }
  }
  for (; i < count; ++i) lanes[0] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

template <class Number>
double norm_on_cpu(const Number* values, std::int64_t count) {
  std::vector<double> partial((count + kNormBlock - 1) / kNormBlock);
  in_parallel(0, static_cast<std::int64_t>(partial.size()), 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t chunk = first; chunk < last; ++chunk) {
      const std::int64_t begin = chunk * kNormBlock;
      partial[chunk] = squares(values + begin, std::min(kNormBlock, count - begin));
    }
  });
  double sum = 0;
  for (const double chunk : partial) sum += chunk;
  return std::sqrt(sum);
}

}  // namespace

double sum_of_squares(const float* values, std::int64_t count) {
  return squares(values, count);
}
double sum_of_squares(const double* values, std::int64_t count) {
  return squares(values, count);
}

double global_norm(const torch::Tensor& flat) {
  check(flat.dim() == 1 && flat.is_contiguous(), "a global norm is taken over one flat, contiguous tensor");
  if (!flat.is_cpu()) return at::linalg_vector_norm(flat, 2, {}, false, torch::kFloat64).item<double>();
  return AT_DISPATCH_FLOATING_TYPES(flat.scalar_type(), "global_norm", [&] {
    return norm_on_cpu(flat.const_data_ptr<scalar_t>(), flat.numel());
  });
}

double clip_scale(double norm, double max_norm) {
  check(max_norm > 0.0, "gradients are clipped to a norm above 0");
  const double scale = max_norm / (norm + 1e-6);
  // A NaN norm spoils the gradients as it does in PyTorch, instead of letting them pass.
  return scale >= 1.0 ? 1.0 : scale;
}

void scale_gradients(const torch::Tensor& flat, double scale) {
  const torch::NoGradGuard no_grad;
  if (scale != 1.0) flat.mul_(scale);
}

}  // namespace lockstep
