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

// train.cuda_graph: forward and backward of a micro-batch as one graph of the GPU.
struct GraphOptions {
  bool cuda = false;
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
  std::string device = "auto";     // auto|cpu|cuda
  std::string dtype = "float32";   // float32|float64
  std::string precision = "full";  // full|bf16|fp16
  std::string recompute = "none";  // none|blocks
  GraphOptions graph;
  LossKind loss = LossKind::kAuto;
  bool metrics = false;  // of training batches, where a line of the journal is kept
  bool check_model = true;
};

// `on_spike`: what becomes of a step whose loss stands out.
struct SpikeOptions {
  std::string action = "warn";  // off|warn|skip|rollback
  double z = 20;
  std::int64_t window = 64;  // losses it is compared with
};

// `rollback`: how far back, and how many batches around the bad step are left out then.
struct RollbackOptions {
  std::int64_t steps = 10;
  std::int64_t batches = 10;
};

// `on_nan`, `on_spike` and `rollback`: what becomes of a step whose numbers are wrong.
struct NumberOptions {
  std::string on_nan = "stop";  // stop|skip|rollback
  SpikeOptions on_spike;
  RollbackOptions rollback;

  bool may_roll_back() const { return on_nan == "rollback" || on_spike.action == "rollback"; }
};

// The `log` section.
struct LogIntervals {
  std::int64_t every_steps = 10;
  bool tensorboard = false;
};

}  // namespace lockstep
