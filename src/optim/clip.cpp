// SPDX-License-Identifier: Apache-2.0
#include "optim/clip.h"

#include <ATen/Dispatch.h>
#include <ATen/Version.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "lockstep/base/error.h"
#include "optim/kernels/kernel_choice.h"
#include "tensors/in_parallel.h"

namespace lockstep {
namespace {

const UpdateKernels& kernels() {
  static const UpdateKernels& chosen = update_kernels_for(at::get_cpu_capability());
  return chosen;
}

template <class Number>
double norm_on_cpu(const Number* values, std::int64_t count) {
  std::vector<double> partial((count + kNormBlock - 1) / kNormBlock);
  in_parallel(0, static_cast<std::int64_t>(partial.size()), 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t chunk = first; chunk < last; ++chunk) {
      const std::int64_t begin = chunk * kNormBlock;
      BlockSquares squares;
      squares.add(PendingMean<Number>{values + begin}, std::min(kNormBlock, count - begin));
      partial[chunk] = squares.sum();
    }
  });
  double sum = 0;
  for (const double chunk : partial) sum += chunk;
  return std::sqrt(sum);
}

}  // namespace

void BlockSquares::add(const PendingMean<float>& values, std::int64_t count) {
  kernels()(values, count, lanes_.data());
}
void BlockSquares::add(const PendingMean<double>& values, std::int64_t count) {
  kernels()(values, count, lanes_.data());
}

double BlockSquares::sum() const {
  double sum = 0;
  for (const double lane : lanes_) sum += lane;
  return sum;
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
