// SPDX-License-Identifier: Apache-2.0
// The reference order of the updates, included by one source a instruction set. Everything is private to
// that source and no inline function of a library is called: the linker keeps one copy of those, and it might
// be the one with instructions that this processor lacks.
#pragma once

#include "optim/kernels/update_kernels.h"

namespace lockstep {
namespace {

inline float root(float value) {
  return __builtin_sqrtf(value);
}
inline double root(double value) {
  return __builtin_sqrt(value);
}

// Local. torch.optim's Adam and AdamW as ATen's fused kernels have them, with the division by the root of the
// bias correction made a multiplication. `two`: gradients have a `right`; `low`: blend < 1/2, the average
// moves from the nearer end (lerp).
template <class Number, bool two, bool coupled, bool low>
void adam_loop(const AdamPart<Number>& part, const AdamNumbers& numbers) {
  const auto decay = static_cast<Number>(numbers.decay);
  const auto shrink = static_cast<Number>(numbers.shrink);
  const auto blend = static_cast<Number>(low ? numbers.blend : numbers.blend - 1);
  const auto beta2 = static_cast<Number>(numbers.beta2);
  const auto rest2 = static_cast<Number>(1 - numbers.beta2);
  const auto root_scale = static_cast<Number>(numbers.root_scale);
  const auto eps = static_cast<Number>(numbers.eps);
  const auto step_size = static_cast<Number>(numbers.step_size);
  const auto scale = static_cast<Number>(numbers.scale);
  const Number factor = part.gradients.factor;
  Number* __restrict parameters = part.parameters;
  const Number* __restrict left = part.gradients.left;
  const Number* __restrict right = part.gradients.right;
  Number* __restrict exp_avg = part.exp_avg;
  Number* __restrict exp_avg_sq = part.exp_avg_sq;
  for (std::int64_t i = 0; i < part.count; ++i) {
    Number p = parameters[i];
    Number g = (two ? left[i] + right[i] : left[i]) * factor * scale;
    if constexpr (coupled) g = g + decay * p;
    if constexpr (!coupled) p = p * shrink;
    const Number way = blend * (g - exp_avg[i]);
    const Number m = (low ? exp_avg[i] : g) + way;
    const Number v = beta2 * exp_avg_sq[i] + (rest2 * g) * g;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    parameters[i] = p - (step_size * m) / (root(v) * root_scale + eps);
  }
}

template <class Number, bool two>
void adam_of(const AdamPart<Number>& part, const AdamNumbers& numbers) {
  const bool low = numbers.blend < 0.5;
  if (numbers.decay != 0)
    low ? adam_loop<Number, two, true, true>(part, numbers)
        : adam_loop<Number, two, true, false>(part, numbers);
  else
    low ? adam_loop<Number, two, false, true>(part, numbers)
        : adam_loop<Number, two, false, false>(part, numbers);
}

template <class Number>
void adam(const AdamPart<Number>& part, const AdamNumbers& numbers) {
  part.gradients.right != nullptr ? adam_of<Number, true>(part, numbers)
                                  : adam_of<Number, false>(part, numbers);
}

// Local. torch.optim's SGD.
template <class Number, bool two, MomentumUse use, bool nesterov, bool decays>
void sgd_loop(const SgdPart<Number>& part, const SgdNumbers& numbers) {
  const auto lr = static_cast<Number>(numbers.lr);
  const auto decay = static_cast<Number>(numbers.decay);
  const auto momentum = static_cast<Number>(numbers.momentum);
  const auto scale = static_cast<Number>(numbers.scale);
  const Number factor = part.gradients.factor;
  Number* __restrict parameters = part.parameters;
  const Number* __restrict left = part.gradients.left;
  const Number* __restrict right = part.gradients.right;
  Number* __restrict buffer = part.momentum_buffer;
  for (std::int64_t i = 0; i < part.count; ++i) {
    const Number p = parameters[i];
    Number g = (two ? left[i] + right[i] : left[i]) * factor * scale;
    if constexpr (decays) g = g + decay * p;
    if constexpr (use != MomentumUse::kNone) {
      const Number moved = use == MomentumUse::kFirst ? g : momentum * buffer[i] + g;
      buffer[i] = moved;
      g = nesterov ? g + momentum * moved : moved;
    }
    parameters[i] = p - lr * g;
  }
}

template <class Number, bool two, MomentumUse use, bool nesterov>
void sgd_decaying(const SgdPart<Number>& part, const SgdNumbers& numbers) {
  numbers.decay != 0 ? sgd_loop<Number, two, use, nesterov, true>(part, numbers)
                     : sgd_loop<Number, two, use, nesterov, false>(part, numbers);
}

template <class Number, bool two, MomentumUse use>
void sgd_moving(const SgdPart<Number>& part, const SgdNumbers& numbers) {
  numbers.nesterov ? sgd_decaying<Number, two, use, true>(part, numbers)
                   : sgd_decaying<Number, two, use, false>(part, numbers);
}

template <class Number, bool two>
void sgd_of(const SgdPart<Number>& part, const SgdNumbers& numbers) {
  switch (numbers.use) {
    case MomentumUse::kNone:
      return sgd_decaying<Number, two, MomentumUse::kNone, false>(part, numbers);
    case MomentumUse::kFirst:
      return sgd_moving<Number, two, MomentumUse::kFirst>(part, numbers);
    case MomentumUse::kLater:
      return sgd_moving<Number, two, MomentumUse::kLater>(part, numbers);
  }
}

template <class Number>
void sgd(const SgdPart<Number>& part, const SgdNumbers& numbers) {
  part.gradients.right != nullptr ? sgd_of<Number, true>(part, numbers)
                                  : sgd_of<Number, false>(part, numbers);
}

template <class Number, bool two>
void squares_loop(const PendingMean<Number>& mean, std::int64_t count, double* lanes) {
  const Number* __restrict left = mean.left;
  const Number* __restrict right = mean.right;
  const Number factor = mean.factor;
  double sums[kSquareLanes];
  for (int lane = 0; lane < kSquareLanes; ++lane) sums[lane] = lanes[lane];
  std::int64_t i = 0;
  for (; i + kSquareLanes <= count; i += kSquareLanes)
    for (int lane = 0; lane < kSquareLanes; ++lane) {
      const std::int64_t at = i + lane;
      const double value = (two ? left[at] + right[at] : left[at]) * factor;
      sums[lane] += value * value;
    }
  for (; i < count; ++i) {
    const double value = (two ? left[i] + right[i] : left[i]) * factor;
    sums[0] += value * value;
  }
  for (int lane = 0; lane < kSquareLanes; ++lane) lanes[lane] = sums[lane];
}

template <class Number>
void squares(const PendingMean<Number>& mean, std::int64_t count, double* lanes) {
  mean.right != nullptr ? squares_loop<Number, true>(mean, count, lanes)
                        : squares_loop<Number, false>(mean, count, lanes);
}

}  // namespace
}  // namespace lockstep
