// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "lockstep/models/options.h"

namespace lockstep {

// The `run` section.
struct RunOptions {
  std::string name = "run";
  std::string dir;  // default: runs/<name>
  std::uint64_t seed = 0;
  std::string metadata = "{}";  // run.metadata: free, as JSON text; goes into every checkpoint
  std::string on_end;           // run.on_end: a shell command
};

// The `train` section. Exactly one of steps and epochs is set; the other is 0.
struct TrainOptions {
  std::int64_t steps = 0;
  std::int64_t epochs = 0;
  std::int64_t global_batch = 64;
  std::int64_t micro_batch = 16;
  double grad_clip = 0.0;  // by global norm; 0: off
  std::int64_t eval_every = 0;
  int threads = 1;
  std::string device = "auto";    // auto|cpu|cuda
  std::string dtype = "float32";  // float32|float64
  LossKind loss = LossKind::kAuto;
  bool check_model = true;
};

// The `log` section.
struct LogIntervals {
  std::int64_t every_steps = 10;
};

}  // namespace lockstep
