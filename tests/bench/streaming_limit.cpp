// SPDX-License-Identifier: Apache-2.0
#include "streaming_limit.h"

#if defined(__x86_64__)
#define LOCKSTEP_EVERY_WIDTH __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define LOCKSTEP_EVERY_WIDTH
#endif

namespace lockstep::bench {

LOCKSTEP_EVERY_WIDTH
void touch_what_adamw_does(const UpdateArrays& arrays, std::int64_t first, std::int64_t last) {
  float* __restrict parameters = arrays.parameters;
  const float* __restrict gradients = arrays.gradients;
  float* __restrict exp_avg = arrays.exp_avg;
  float* __restrict exp_avg_sq = arrays.exp_avg_sq;
  for (std::int64_t i = first; i < last; ++i) {
    const float g = gradients[i];
    const float m = 0.5f * (exp_avg[i] + g);
    exp_avg[i] = m;
    exp_avg_sq[i] = 0.5f * (exp_avg_sq[i] + g * g);
    parameters[i] = parameters[i] - 1e-6f * m;
  }
}

namespace {

LOCKSTEP_EVERY_WIDTH
void sum_two(float* __restrict a, float* __restrict b, std::int64_t length) {
  for (std::int64_t i = 0; i < length; ++i) {
    const float sum = 0.5f * (a[i] + b[i]);
    a[i] = sum;
    b[i] = sum;
  }
}

LOCKSTEP_EVERY_WIDTH
void sum_four(float* const* rows, std::int64_t length) {
  float* __restrict a = rows[0];
  float* __restrict b = rows[1];
  float* __restrict c = rows[2];
  float* __restrict d = rows[3];
  for (std::int64_t i = 0; i < length; ++i) {
    const float sum = 0.25f * ((a[i] + b[i]) + (c[i] + d[i]));
    a[i] = sum;
    b[i] = sum;
    c[i] = sum;
    d[i] = sum;
  }
}

}  // namespace

void touch_what_a_sum_does(float* const* rows, int count, std::int64_t length) {
  count == 2 ? sum_two(rows[0], rows[1], length) : sum_four(rows, length);
}

}  // namespace lockstep::bench
