// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "tensors/pending_mean.h"

namespace lockstep {

// Counts up whenever a kernel below would give another bit; recorded in every checkpoint.
inline constexpr int kUpdateKernels = 1;

// Neighbouring elements of the flat tensors. None of the arrays overlaps another; any alignment of an
// element.
template <class Number>
struct AdamPart {
  std::int64_t count = 0;
  Number* parameters = nullptr;
  PendingMean<Number> gradients;
  Number* exp_avg = nullptr;
  Number* exp_avg_sq = nullptr;
};

template <class Number>
struct SgdPart {
  std::int64_t count = 0;
  Number* parameters = nullptr;
  PendingMean<Number> gradients;
  Number* momentum_buffer = nullptr;  // null without momentum
};

// What is the same for all elements of a part, made in double and rounded once.
struct AdamNumbers {
  double decay = 0;   // L2: added to the gradient in proportion to the parameter …
  double shrink = 1;  // … or decoupled: the parameter is multiplied by this
  double blend = 0;   // 1 - beta1
  double beta2 = 0;
  double root_scale = 0;  // 1 / sqrt(1 - beta2 ^ step)
  double eps = 0;
  double step_size = 0;  // lr / (1 - beta1 ^ step)
  double scale = 1;      // each gradient is multiplied by this first
};

enum class MomentumUse { kNone, kFirst, kLater };

struct SgdNumbers {
  double lr = 0;
  double decay = 0;
  double momentum = 0;
  MomentumUse use = MomentumUse::kNone;  // kFirst: the buffer becomes the gradient
  bool nesterov = false;
  double scale = 1;  // as AdamNumbers'
};

// A norm is a sum of squares in double, in so many lanes that grow side by side: element i is in lane i
// modulo their number, in the order of the elements, and what is left over behind the last whole row in the
// first.
inline constexpr int kSquareLanes = 8;

// The updates of sgd, adam and adamw, and sums of squares, compiled for one instruction set. Note [one
// order]: each element is made by the operations of update_loops_inl.h in the order written there, all of
// them correctly rounded (+ - * / sqrt; nothing contracted), so the instruction set, the cut into parts and
// the threads change no bit (of a NaN: none but its payload). Local; they touch nothing but the part.
struct UpdateKernels {
  std::string_view capability;  // as at::get_cpu_capability() calls it; DEFAULT: of every processor
  void (*adam_float)(const AdamPart<float>&, const AdamNumbers&) = nullptr;
  void (*adam_double)(const AdamPart<double>&, const AdamNumbers&) = nullptr;
  void (*sgd_float)(const SgdPart<float>&, const SgdNumbers&) = nullptr;
  void (*sgd_double)(const SgdPart<double>&, const SgdNumbers&) = nullptr;
  // Adds `count` of them to `lanes`.
  void (*squares_float)(const PendingMean<float>&, std::int64_t count, double* lanes) = nullptr;
  void (*squares_double)(const PendingMean<double>&, std::int64_t count, double* lanes) = nullptr;

  void operator()(const AdamPart<float>& part, const AdamNumbers& numbers) const {
    adam_float(part, numbers);
  }
  void operator()(const AdamPart<double>& part, const AdamNumbers& numbers) const {
    adam_double(part, numbers);
  }
  void operator()(const SgdPart<float>& part, const SgdNumbers& numbers) const { sgd_float(part, numbers); }
  void operator()(const SgdPart<double>& part, const SgdNumbers& numbers) const { sgd_double(part, numbers); }
  void operator()(const PendingMean<float>& mean, std::int64_t count, double* lanes) const {
    squares_float(mean, count, lanes);
  }
  void operator()(const PendingMean<double>& mean, std::int64_t count, double* lanes) const {
    squares_double(mean, count, lanes);
  }
};

}  // namespace lockstep
