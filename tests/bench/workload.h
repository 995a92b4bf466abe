// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "lockstep/data/options.h"
#include "lockstep/models/options.h"

namespace lockstep::bench {

// What both sides train.
struct Workload {
  std::string name;
  ModelOptions model;
  DataOptions data;
  std::int64_t micro_batch = 1;
  int micro_batches = 1;
  std::int64_t steps = 1;

  std::int64_t global_batch() const { return micro_batch * micro_batches; }
};

constexpr std::uint64_t kSeed = 7;
constexpr double kLearningRate = 1e-4;

}  // namespace lockstep::bench
