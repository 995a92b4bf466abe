// SPDX-License-Identifier: Apache-2.0
#include "turns.h"

#include <chrono>

namespace lockstep::bench {
namespace {

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void Turns::finished_a() {
  const double ended = now_ms();
  const int pair = turn_++ - warm_up_;
  if (pair < 0) {
    take_b(/*counts=*/false);
  } else if (pair < pairs_) {
    a_ms_.push_back(ended - resumed_ms_);
    for (int i = 0; pair % 2 == 0 && i < 2; ++i) take_b(/*counts=*/true);
  }
  resumed_ms_ = now_ms();
}

void Turns::take_b(bool counts) {
  const double begun = now_ms();
  b_();
  if (counts) b_ms_.push_back(now_ms() - begun);
}

}  // namespace lockstep::bench
