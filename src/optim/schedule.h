// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lockstep/base/units.h"
#include "optim/options.h"

namespace lockstep {

// Local. The learning rate of one step: a pure function, so there is nothing to restore, and a resumed run
// may change any part of it. With w = warmup_steps, for `step` in 1..last_step:
//   step <= w   base_lr * step / w
//   constant    base_lr
//   linear      the straight line from base_lr at w to final_lr at last_step
//   cosine      half a cosine between the same two points
//   one's own   what the program says
//   step        base_lr * gamma ^ ((step - w - 1) / step_size), rounded down: step_size steps at each level
// Throws Fault (78) for an unknown type and for options out of range or without effect on the type; 70 for
// what a schedule of one's own throws.
double learning_rate(const ScheduleOptions& options, double base_lr, Step step, Step last_step);

}  // namespace lockstep
